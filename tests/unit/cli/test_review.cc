// A reviewer at work: the program itself, a real control socket and desk; only the agent is made up.
#include <pwd.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>

#include "app/hold_requests.h"
#include "app/status_requests.h"
#include "cli/table.h"
#include "unit/approve/desk_fixture.h"
#include "unit/cli/run_to_end.h"
#include "unit/cli/terminal.h"

namespace assent::cli {
namespace {

using model::HoldState;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ReviewTest : public approve::DeskFixture {
protected:
    void SetUp() override {
        DeskFixture::SetUp();
        me = ::getpwuid(::getuid())->pw_name;
        auto opened = control::Server::open(socket(), [this](std::uint64_t) { return is_governed; });
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        server = std::move(*opened);
        const auto record = [](const model::RecordDraft&) -> Result<> { return {}; };
        const auto decide = [this] { return app::DecideLists{{{me}, {}, {}}, {}, {}}; };
        app::add_hold_requests(*server,
                               {*desk, decide, record, clock, [](const auto&, const auto&) { return std::string(); }});
        app::add_status_requests(
            *server, {[this] { return status; },
                      [](const std::string& session, const std::string&, const std::string&) -> Result<std::string> {
                          if (session != "s-1") return fail(Errc::not_found, "there is no such session");
                          return "s-1234";
                      },
                      decide, record});
        server->handle("whoami",
                       [this](const control::Peer&, const json&, const control::Emit&) -> Result<json> { return who; });
        server->start();
        ::setenv("ASSENT_SOCKET", socket().c_str(), 1);
        ::unsetenv("ASSENT_CONFIG");
    }
    void TearDown() override {
        server.reset();
        DeskFixture::TearDown();
    }
    [[nodiscard]] std::filesystem::path socket() const { return folder / "run" / "control.sock"; }
    model::HoldRequest mine(const std::string& text = "UPDATE accounts SET balance = 0 WHERE id = 7") {
        auto made = request(text);
        made.approvals = {approve::approval("dba", {me})};
        return made;
    }
    static Outcome run(const std::string& arguments) { return run_to_end(program, arguments); }

    static constexpr const char* program = ASSENT_BINARY_DIR "/userspace/cli/assent";
    std::string me;
    bool is_governed = false;
    json status = {{"pid", 1}, {"version", "1"}, {"records", {{"is_available", true}}}, {"policy", {{"revision", 3}}}};
    json who = {{"governed", false}};
    std::unique_ptr<control::Server> server;
};

int count_of(const std::string& text, const std::string& part) {
    int count = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
    return count;
}

TEST_F(ReviewTest, MistakesInTheSettingsAreSaidOnceAndNobodyElseIsAsked) {
    const std::string settings = (folder / "assent.yaml").string();
    std::ofstream(settings) << "version: 1\nbanana: 2\n";
    for (const char* verb : {"run --name nightly --user nobody -- true", "whoami", "status", "holds", "holds --watch",
                             "approve h-1", "sessions", "replay 1", "end 1", "policy reload", "policy check", "verify"}) {
        const auto options = std::string(verb).starts_with("run") ? "--config " + settings + " " + verb
                                                                  : std::string(verb) + " --config " + settings;
        const Outcome outcome = run(options);
        EXPECT_EQ(outcome.code, std::string(verb).starts_with("run") ? 125 : 2) << verb;
        EXPECT_EQ(count_of(outcome.text, "assent: "), 1) << verb << ": " << outcome.text;
        EXPECT_THAT(outcome.text, HasSubstr("banana")) << verb;
    }
    Terminal terminal({program, "holds", "--watch", "--config", settings}, 24, 80);
    EXPECT_EQ(count_of(terminal.wait_for("never comes"), "assent: "), 1);
    EXPECT_EQ(terminal.exit_code(), 2);
}

TEST_F(ReviewTest, OutputThatCannotBeWrittenIsAnError) {
    open_hold(mine());
    const auto shell = [](const std::string& line) { return run_to_end("/bin/sh", "-c '" + line + "'"); };
    for (const char* verb : {" holds", " holds --json", " policy builtin", " --help"}) {
        const Outcome full = shell(std::string(program) + verb + " > /dev/full");
        EXPECT_EQ(full.code, 1) << verb;
        EXPECT_THAT(full.text, HasSubstr("standard output cannot be written: No space left on device")) << verb;
        // A reader that has gone is no news, also where the signal for it is ignored.
        EXPECT_EQ(shell(std::string(program) + verb + " | true").text, "") << verb;
        EXPECT_EQ(shell("trap \"\" PIPE; (sleep 0.2; " + std::string(program) + verb + ") | true").text, "") << verb;
    }
}

TEST_F(ReviewTest, ANarrowTerminalIsNotOverrun) {
    open_hold(mine("UPDATE a SET b = '\x1b[2J" + std::string(500, 'x') + "漢字'"));
    Terminal terminal({program, "holds"}, 24, 40);
    const std::string shown = terminal.wait_for("never comes");
    EXPECT_THAT(shown, AllOf(HasSubstr("UPDATE a"), Not(HasSubstr("\x1b"))));
    std::istringstream lines(shown.substr(0, shown.find("\n(and never")));
    for (std::string line; std::getline(lines, line);) {
        while (!line.empty() && line.back() == '\r') line.pop_back();
        EXPECT_LE(shown_width(line), 40U) << line;
    }
    EXPECT_EQ(terminal.exit_code(), 0);
}

TEST_F(ReviewTest, ListShowAndDecide) {
    EXPECT_THAT(run("holds").text, HasSubstr("No hold waits."));
    // A C1 control, a bidirectional override and DEL stay escaped in JSON too: it is read at terminals.
    const std::string id = open_hold(mine("UPDATE a SET b = '\xc2\x9b\xe2\x80\xae\x7f" + std::string(494, 'x') + "'"));
    Outcome list = run("holds");
    EXPECT_EQ(list.code, 0);
    EXPECT_THAT(list.text, AllOf(HasSubstr("ID"), HasSubstr(id), HasSubstr("nightly"), HasSubstr("15m"), HasSubstr("…"),
                                 Not(HasSubstr(std::string(200, 'x')))));
    EXPECT_THAT(run("holds show " + id).text, HasSubstr(std::string(494, 'x')));
    const std::string as_json = run("--json holds").text;
    EXPECT_TRUE(std::ranges::all_of(as_json, [](char each) { return each == '\n' || (each >= ' ' && each < '\x7f'); }));
    const json whole = json::parse(as_json);
    EXPECT_EQ(whole.at(0).at("text").get<std::string>().size(), 537U);

    const Outcome approved = run("approve " + id.substr(2, 4) + " --reason 'looks right'");
    EXPECT_EQ(approved.code, 0) << approved.text;
    EXPECT_THAT(approved.text,
                AllOf(HasSubstr("approved by " + me + ": looks right"), HasSubstr("when the agent sends it again")));
    EXPECT_EQ(state_of(id), HoldState::approved);
    const Outcome again = run("deny " + id);
    EXPECT_EQ(again.code, 1);
    EXPECT_THAT(again.text, HasSubstr("assent: hold " + id + " does not wait any more: it was approved by " + me));
    EXPECT_EQ(run("holds wait " + id).code, 0);
    EXPECT_THAT(run("holds --all").text, HasSubstr("approved by"));

    const std::string other = open_hold(mine("other"));
    EXPECT_EQ(json::parse(run("deny " + other + " --reason no --json").text).at("state"), "denied");
    EXPECT_EQ(run("holds wait " + other).code, 4);
}

TEST_F(ReviewTest, ExitCodesTellScriptsWhatHappened) {
    EXPECT_EQ(run("approve h-zzzzzz").code, 1) << "no such hold";
    EXPECT_EQ(run("approve").code, 2) << "an argument is missing";
    const Outcome misspelt = run("aprove h-1");
    EXPECT_EQ(misspelt.code, 2);
    EXPECT_THAT(misspelt.text, HasSubstr("did you mean 'approve'?"));
    EXPECT_EQ(run("").code, 2);
    EXPECT_EQ(run("--help").code, 0);
    EXPECT_EQ(run("--version").code, 0);
    const std::string id = open_hold(request());
    EXPECT_EQ(run("approve " + id).code, 4) << "not a reviewer of it";
    EXPECT_EQ(json::parse(run("approve h-zzzzzz --json").text).size(), 1U);
    EXPECT_EQ(run("end s-9").code, 1);
    EXPECT_THAT(run("end s-1 --reason stuck").text, HasSubstr("ended s-1234"));
    server->stop();
    const Outcome none = run("holds");
    EXPECT_EQ(none.code, 3);
    EXPECT_THAT(none.text, HasSubstr("systemctl start assentd"));
    const Outcome wrong = run("--config /nowhere/assent.yaml holds");
    EXPECT_NE(wrong.code, 0);
    EXPECT_THAT(wrong.text, HasSubstr("/nowhere/assent.yaml"));
}

TEST_F(ReviewTest, StatusSaysWhatIsWrongFirst) {
    EXPECT_EQ(run("status").code, 0);
    status["observe"] = {"legacy at payments-db until 2026-12-31"};
    EXPECT_EQ(run("status").code, 0);
    status["policy"]["not_loaded"] = {"a.yaml:3:1: unknown key 'operatons'"};
    status["records"] = {{"is_available", false}, {"why", "no space"}};
    const Outcome bad = run("status");
    EXPECT_EQ(bad.code, 1);
    EXPECT_LT(bad.text.find("OBSERVED ONLY"), bad.text.find("NOT LOADED"));
    EXPECT_LT(bad.text.find("a.yaml:3:1"), bad.text.find("daemon:"));
    EXPECT_THAT(bad.text, HasSubstr("UNAVAILABLE, so commands are denied: no space"));
    status = json::array({"not what was expected"});
    EXPECT_NE(run("status").code, -1) << "no crash";
}

TEST_F(ReviewTest, AnAgentAsksWhoItIs) {
    EXPECT_EQ(run("whoami").code, 1);
    who = {{"governed", true},
           {"agent", "nightly"},
           {"agents", {"migrator"}},
           {"targets", {{{"name", "shop-db"}, {"addresses", {"10.0.0.5:5432"}}, {"databases", {"shop"}}}}}};
    const Outcome outcome = run("whoami");
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.text, AllOf(HasSubstr("nightly"), HasSubstr("migrator"), HasSubstr("10.0.0.5:5432")));
}

TEST_F(ReviewTest, AtTheTerminalAHoldIsShownWholeAndAnswered) {
    auto hostile = mine("UPDATE accounts\nSET balance = '\x1b[2J\xe2\x80\xae'\nWHERE id = 7");
    const std::string id = open_hold(hostile);
    Terminal terminal({program, "holds", "--watch"}, 60, 100);
    const std::string shown = terminal.wait_for("[q]uit");
    EXPECT_THAT(shown, AllOf(HasSubstr(id), HasSubstr("nightly"), HasSubstr("end of month"), HasSubstr("payments-db"),
                             HasSubstr("writes-need-a-dba"), HasSubstr("update public.accounts"), HasSubstr("SELECT 1")));
    EXPECT_THAT(shown, AllOf(HasSubstr("│ UPDATE accounts\r\n"), HasSubstr("│ SET balance = '\\u{001B}[2J\\u{202E}'"),
                             HasSubstr("│ $1 = '7'"), HasSubstr("│ $2 = NULL"), HasSubstr("[a]pprove")));
    EXPECT_THAT(shown, Not(HasSubstr("\x1b[2J")));

    terminal.type("abort\n");
    terminal.wait_for("[q]uit");
    EXPECT_EQ(state_of(id), HoldState::waiting) << "a word that begins like an answer is none";
    terminal.type("a looks right\n");
    EXPECT_THAT(terminal.wait_for("approved by"), HasSubstr(id));
    terminal.wait_for("looks right");
    EXPECT_EQ(state_of(id), HoldState::approved);
    EXPECT_EQ(desk->find(id)->status.reason, "looks right");

    const std::string second = open_hold(mine("DELETE FROM accounts"));
    terminal.wait_for("[q]uit");
    terminal.type("d\n");
    terminal.wait_for("reason");
    terminal.type("no where clause\n");
    terminal.wait_for("denied by");
    EXPECT_EQ(desk->find(second)->status.reason, "no where clause");

    const std::string third = open_hold(mine("third"));
    terminal.wait_for("[q]uit");
    ASSERT_TRUE(desk->cancel(third).has_value());
    terminal.wait_for(third + " is cancelled");
    terminal.type("a\n");
    terminal.type("q\n");
    EXPECT_EQ(terminal.exit_code(), 0);
    EXPECT_EQ(state_of(third), HoldState::cancelled);
}

TEST_F(ReviewTest, WhatDoesNotFitIsPagedAndNotApprovedUnlessAllWasSeen) {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "-- line " + std::to_string(i) + "\n";
    const std::string id = open_hold(mine(text + "DROP TABLE accounts"));
    Terminal terminal({program, "holds", "--watch"}, 24, 80);
    EXPECT_THAT(terminal.wait_for("s skips this hold -- "), Not(HasSubstr("[a]pprove")));
    terminal.type("s\n");
    EXPECT_THAT(terminal.wait_for("still waits"), Not(HasSubstr("[a]pprove")));
    EXPECT_EQ(state_of(id), HoldState::waiting);

    Terminal other({program, "holds", "--watch"}, 24, 80);
    std::string seen;
    for (int page = 0; page < 20 && seen.find("DROP TABLE") == std::string::npos; ++page) {
        seen += other.wait_for(page < 5 ? "s skips this hold -- " : "[q]uit");
        if (seen.find("[q]uit") != std::string::npos) break;
        EXPECT_THAT(seen, Not(HasSubstr("[a]pprove")));
        other.type("\n");
    }
    EXPECT_THAT(seen, AllOf(HasSubstr("-- line 0\r\n"), HasSubstr("-- line 99\r\n"), HasSubstr("│ DROP TABLE accounts"),
                            HasSubstr("[a]pprove")));
    other.type("a\n");
    other.wait_for("approved by");
    EXPECT_EQ(state_of(id), HoldState::approved);
}

}  // namespace
}  // namespace assent::cli
