// Completions and man pages say what the program does: every verb and every option of it, and no others.
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <re2/re2.h>

#include "cli/program.h"

namespace assent::cli {
namespace {

std::string text_of_file(const std::string& file) {
    std::ifstream in(std::string(ASSENT_SOURCE_DIR "/packaging/") + file);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

// Without roff's escapes of hyphens.
std::string manual() {
    std::string text = text_of_file("man/assent.1");
    RE2::GlobalReplace(&text, R"(\\-)", "-");
    return text;
}

void collect(const CLI::App& app, std::set<std::string>& verbs, std::set<std::string>& options) {
    for (const CLI::Option* option : app.get_options()) {
        for (const auto& name : option->get_lnames()) options.insert("--" + name);
    }
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (!sub->get_name().empty()) verbs.insert(sub->get_name());
        collect(*sub, verbs, options);
    }
}

class DocumentsTest : public testing::Test {
protected:
    void SetUp() override {
        add_verbs(app, context);
        collect(app, verbs, options);
    }
    Context context;
    CLI::App app;
    std::set<std::string> verbs;
    std::set<std::string> options;
};

TEST_F(DocumentsTest, EveryVerbIsThere) {
    for (const char* verb :
         {"run",    "whoami", "status", "doctor", "holds", "approve", "deny",   "sessions", "end",  "replay", "search",
          "verify", "policy", "detach", "check",  "test",  "explain", "reload", "builtin",  "show", "wait"}) {
        EXPECT_TRUE(verbs.contains(verb)) << verb;
    }
}

TEST_F(DocumentsTest, TheManualAndTheCompletionsKnowEveryVerbAndOption) {
    for (const std::string& file :
         {std::string("completions/assent.bash"), std::string("completions/_assent"), std::string("man")}) {
        const std::string text = file == "man" ? manual() : text_of_file(file);
        ASSERT_FALSE(text.empty()) << file;
        for (const auto& word : verbs) EXPECT_TRUE(RE2::PartialMatch(text, "\\b" + word + "\\b")) << file << ": " << word;
        for (const auto& word : options) EXPECT_NE(text.find(word), std::string::npos) << file << ": " << word;
    }
    const std::string fish = text_of_file("completions/assent.fish");
    for (const auto& word : options) EXPECT_NE(fish.find("-l " + word.substr(2)), std::string::npos) << "fish: " << word;
}

TEST_F(DocumentsTest, TheManualHasNoOptionThatIsNot) {
    options.insert({"--json", "--config", "--help", "--version"});
    const std::string text = manual();
    const RE2 option("(--[a-z][a-z-]+)");
    re2::StringPiece rest(text);
    std::string found;
    while (RE2::FindAndConsume(&rest, option, &found)) EXPECT_TRUE(options.contains(found)) << found;
}

TEST_F(DocumentsTest, EveryVerbHasHelpThatSaysWhatItIsFor) {
    for (CLI::App* verb : app.get_subcommands([](CLI::App*) { return true; })) {
        EXPECT_FALSE(verb->get_description().empty()) << verb->get_name();
        EXPECT_FALSE(verb->help().empty());
    }
}

}  // namespace
}  // namespace assent::cli
