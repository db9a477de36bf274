// Mistakes of a file as bytes, and of the folder that it stands in: what editors, copies and strangers do to policies.
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/limits.h"
#include "unit/policy/policy_fixture.h"

namespace assent::policy {
namespace {

using namespace std::string_literals;

struct Spoilt {
    std::string name;
    std::string bytes;
    std::string expected;  // how the first mistake begins; empty: there is none
};

// clang-format off
const std::vector<Spoilt> every_spoilt_file = {
    {"ByteOrderMark", "\xEF\xBB\xBFversion: 1\nruless: []\n", "p.yaml:2:1: unknown key 'ruless'; did you mean 'rules'?"},
    {"ByteOrderMarkAndQuotes", "\xEF\xBB\xBF\"version\": '1'\n", ""},
    {"LineEndsOfWindows", "version: 1\r\nruless: []\r\n", "p.yaml:2:1: unknown key 'ruless'; did you mean 'rules'?"},
    {"LineEndsOfOldMacs", "version: 1\rruless: []\r", "p.yaml:1:18: not YAML: illegal map value"},
    {"TabIndents", "agents:\n\tbot: []\n", "p.yaml:2:1: a tab in the indentation; YAML is indented with spaces"},
    {"TabBehindSpaces", "agents:\n  bot:\n  \t- {unit: a.service}\n", "p.yaml:3:3: a tab in the indentation; YAML is indented with spaces"},
    {"TabBetweenKeyAndValue", "version:\t1\n", ""},
    {"Utf16", "\xFF\xFEv\0e\0"s, "p.yaml:1:1: is UTF-16; save it as UTF-8"},
    {"Utf16BigEndian", "\xFE\xFF\0v\0e"s, "p.yaml:1:1: is UTF-16; save it as UTF-8"},
    {"Latin1", "rules: []\n# caf\xE9\n", "p.yaml:2:6: not UTF-8: the byte 0xE9; save the file as UTF-8"},
    {"Utf8CutShort", "# \xE2\x82", "p.yaml:1:3: not UTF-8: the byte 0xE2; save the file as UTF-8"},
    {"Utf8Overlong", "# \xC0\xAF\n", "p.yaml:1:3: not UTF-8: the byte 0xC0; save the file as UTF-8"},
    {"Utf8Surrogate", "# \xED\xA0\x80\n", "p.yaml:1:3: not UTF-8: the byte 0xED; save the file as UTF-8"},
    {"ColumnsCountCharacters", "# \xC3\xA9\xE2\x82\xAC \x01\n", "p.yaml:1:6: the control character 0x01; take it out"},
    {"Zero", "version: 1\n\0"s, "p.yaml:2:1: a zero byte; these files are UTF-8 text"},
    {"Escape", "version: \x1B[31m1\n", "p.yaml:1:10: the control character 0x1B; take it out"},
    {"Delete", "version: 1\x7F\n", "p.yaml:1:11: the control character 0x7F; take it out"},
    {"ReordersWhatIsShown", "# \u202E ylno\n", "p.yaml:1:3: the invisible character U+202E, which changes the order of what is shown; take it out"},
    {"IsolatesWhatIsShown", "rules: [{name: \u2066r\u2069}]\n", "p.yaml:1:16: the invisible character U+2066, which changes"},
    {"QuoteNotClosed", "version: 1\nbuiltin: \"on\nrules: []\n", "p.yaml:2:10: the quote that begins here is not closed"},
    {"SingleQuoteNotClosed", "builtin: 'on\nrules: []\n", "p.yaml:1:10: the quote that begins here is not closed"},
    {"QuoteClosedByAnEscapeOnly", "builtin: \"on\\\"\n", "p.yaml:1:10: the quote that begins here is not closed"},
    {"QuoteInAQuote", "builtin: 'it''s'\n", "p.yaml:1:10: 'builtin' is one of on, off, not 'it's'"},
    {"FlowNotClosed", "rules: [{name: r\n", "p.yaml:2:1: not YAML: end of map flow not found"},
    {"BracketTooMany", "version: 1\n}\n", "p.yaml:2:1: not YAML: "},
    {"DeepLists", std::string(100'000, '['), "p.yaml:1:33: nested deeper than 64 levels"},
    {"DeepMaps", [] { std::string text; for (int i = 0; i < 5000; ++i) text += "{a: "; return text; }(), "p.yaml:1:253: nested deeper than 64 levels"},
    {"BillionLaughs", "a: &a [x, x]\nb: &b [*a, *a]\n", "p.yaml:1:4: anchors (&name) are not used in these files; write the value out"},
    {"MergeKey", "agents: {bot: [{<<: {unit: a.service}, unit: b.service}]}\n", "p.yaml:1:17: merge keys (<<) are not used in these files; write the keys out"},
    {"Alias", "rules: [{name: r, verdict: deny, objects: [*.a]}]\n", "p.yaml:1:44: not YAML: the referenced anchor is not defined; a value that begins with '*' has to be quoted"},
    {"BareStar", "rules: [{name: r, verdict: deny, objects: [*]}]\n", "p.yaml:1:45: not YAML: alias not found after *; a value that begins with '*' has to be quoted"},
    {"BareAt", "rules: [{name: r, verdict: deny, objects: [@catalog]}]\n", "p.yaml:1:44: not YAML: unknown token; a value that begins with '@' has to be quoted"},
    {"Tag", "rules: [{name: !r, verdict: deny}]\n", "p.yaml:1:16: tags (!name) are not used in these files"},
    {"KeyIsAMap", "{a: 1, {b: c}: d}\n", "p.yaml:1:8: a key has to be a word"},
    {"KeyIsAListOverLines", "? [a, b]\n: c\n", "p.yaml:1:3: a key has to be a word"},
    {"NoSpaceBehindTheColon", "version:1\n", "p.yaml:1:1: a policy file has to be a map (key: value), and is a single value"},
    {"LetterCase", "Version: 1\n", "p.yaml:1:1: unknown key 'Version'; did you mean 'version'?"},
    {"VersionWithAPoint", "version: 1.0\n", "p.yaml:1:10: 'version' is 1, not '1.0'"},
    {"TextOverLines", "version: |\n  1\n", "p.yaml:1:10: 'version' is 1, not '1\\u{000A}'"},
    {"ListOfAnotherIndent", "rules:\n - name: a\n   verdict: deny\n  - name: b\n", "p.yaml:4:3: not YAML: end of sequence not found"},
    {"Comment", "# nothing\n", ""},
    {"OnlySpaces", "   \n\n", ""},
    {"Null", "~\n", ""},
    {"DocumentMarks", "---\nversion: 1\n...\n", ""},
};
// clang-format on

class SpoiltFiles : public testing::TestWithParam<Spoilt> {};

TEST_P(SpoiltFiles, AreToldByPlaceAndWhatToDo) {
    const std::string said = mistakes_of(GetParam().bytes);
    if (GetParam().expected.empty())
        EXPECT_EQ(said, "");
    else
        EXPECT_EQ(said.substr(0, GetParam().expected.size()), GetParam().expected) << said;
}

INSTANTIATE_TEST_SUITE_P(Policy, SpoiltFiles, testing::ValuesIn(every_spoilt_file),
                         [](const auto& tested) { return tested.param.name; });

TEST(SpoiltFile, OfMegabytesIsToldInShort) {
    const std::string said = mistakes_of("version: " + std::string(3'000'000, '9') + "\n");
    EXPECT_LT(said.size(), 1100U);
    EXPECT_EQ(said.substr(0, 30), "p.yaml:1:10: 'version' is 1, n");
}

// Looking each key up among those before it would take hours.
TEST(SpoiltFile, OfAHundredThousandKeysComesToAnEnd) {
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += "k" + std::to_string(i) + ":\n";
    const auto loaded = load_texts({{"p.yaml", text}}, 1);
    ASSERT_FALSE(loaded.has_value());
    EXPECT_LE(loaded.error().size(), limits::policy_mistakes + 1);
}

class SpoiltFolder : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "assent-policies-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder = pattern;
        std::ofstream(folder / "good.yaml") << "version: 1\n";
        ASSERT_EQ(said(), "");
    }
    void TearDown() override { std::filesystem::remove_all(folder); }
    [[nodiscard]] std::string said() const {
        const auto loaded = Policy::load(folder, 1);
        return loaded ? "" : all_mistakes(loaded.error());
    }
    void expect(const std::string& name, const std::string& message) const {
        EXPECT_EQ(said(), (folder / name).string() + ": " + message + "\n");
    }
    std::filesystem::path folder;
};

TEST_F(SpoiltFolder, HasNoFolderWithTheNameOfAFile) {
    std::filesystem::create_directory(folder / "x.yaml");
    expect("x.yaml", "is a directory, and has the name of a policy file; rename it");
}

TEST_F(SpoiltFolder, HasNoLinkToAFolder) {
    std::filesystem::create_directory(folder / "real");
    std::filesystem::create_directory_symlink(folder / "real", folder / "linked");
    expect("linked", "is a link to a directory, which is not followed; put the files here");
}

TEST_F(SpoiltFolder, HasNoLinkInACircle) {
    std::filesystem::create_symlink("b.yaml", folder / "a.yaml");
    std::filesystem::create_symlink("a.yaml", folder / "b.yaml");
    EXPECT_NE(said().find("a.yaml: cannot be opened: Too many levels of symbolic links"), std::string::npos) << said();
}

TEST_F(SpoiltFolder, HasNoLinkToNowhere) {
    std::filesystem::create_symlink("gone", folder / "a.yaml");
    expect("a.yaml", "cannot be opened: No such file or directory");
}

TEST_F(SpoiltFolder, HasNoPipe) {
    ASSERT_EQ(::mkfifo((folder / "a.yaml").c_str(), 0600), 0);
    expect("a.yaml", "is not a regular file");
}

TEST_F(SpoiltFolder, HasNoHugeFile) {
    std::ofstream(folder / "a.yaml").put('#');
    std::filesystem::resize_file(folder / "a.yaml", 5U << 20U);
    expect("a.yaml", "larger than 4 MiB");
}

TEST_F(SpoiltFolder, HasNoFileThatOnlyLooksLikeOne) {
    std::ofstream(folder / "a.yml") << "version: 1\n";
    expect("a.yml", "is not read: policy files end in .yaml; rename it, or move it away");
}

TEST_F(SpoiltFolder, MayHaveHiddenFilesAndLinksToFiles) {
    std::ofstream(folder / ".a.yaml.swp") << "\x01";
    std::filesystem::create_directory(folder / ".git");
    std::ofstream(folder / ".git/x.yaml") << "nonsense\n";
    std::filesystem::create_symlink("good.yaml", folder / "same.yaml");
    EXPECT_EQ(said(), "");
}

}  // namespace
}  // namespace assent::policy
