// Looking back: sessions are listed, replayed and searched as they were recorded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "record/reader.h"
#include "record/replay.h"
#include "record/result_rows.h"
#include "record/search.h"
#include "record/session_list.h"
#include "temporary_log.h"

namespace assent::record {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

std::string message(char type, const std::string& payload) {
    const auto size = static_cast<std::uint32_t>(payload.size() + 4);
    std::string out(1, type);
    for (int shift = 24; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(size >> static_cast<unsigned>(shift) & 0xFFU));
    return out + payload;
}

std::string data_row(const std::vector<std::optional<std::string>>& fields) {
    std::string out{'\0', static_cast<char>(fields.size())};
    for (const auto& field : fields) {
        if (!field) {
            out += "\xFF\xFF\xFF\xFF";
            continue;
        }
        out += std::string{'\0', '\0', '\0', static_cast<char>(field->size())} + *field;
    }
    return message('D', out);
}

std::string row_description(const std::vector<std::string>& names, char format = '\0') {
    std::string out{'\0', static_cast<char>(names.size())};
    for (const auto& name : names) out += name + std::string(1, '\0') + std::string(16, '\0') + std::string{'\0', format};
    return message('T', out);
}

class ViewsTest : public testing::Test {
protected:
    void SetUp() override {
        auto options = folder_.options();
        options.segment_size_bytes = 2'000;
        auto log = Log::open(options);
        ASSERT_TRUE(log) << log.error().message;
        log_ = std::move(*log);
        put("daemon.started", "", R"("version":"1")");
        for (const std::string name : {"nightly", "reports"}) session("01kan-" + name, name);
        log_->close();
    }
    void put(std::string_view type, std::string_view session, std::string_view members,
             std::vector<model::RecordBody> bodies = {}) {
        ASSERT_TRUE(log_->append_and_wait({type, session, members, bodies, true}));
    }
    void session(const std::string& id, const std::string& agent) {
        put("flow.opened", id,
            R"("agent":{"name":")" + agent +
                R"(","uid":1001,"exe":"/usr/bin/psql","purpose":"month's end"},"asked_for":"10.0.0.5:5432","target":"payments-db")");
        const std::string text = "UPDATE orders SET note = 'Größe \"L\"' WHERE id = 7";
        put("command", id,
            R"("command":1,"kind":"query","decision":"hold","enforced":"hold","rules":["writes"],"user":"app")",
            {{"text", as_bytes(text)}});
        put("hold.decided", id,
            R"("hold":"h-1","state":"approved","person":"ana","uid":1000,"reason":"agreed with \"Bo\"")");
        const std::string rows =
            row_description({"id", "ssn"}) + data_row({"7", "****"}) + data_row({std::nullopt, "\x01\x02"});
        put("outcome", id, R"("command":1,"tag":"UPDATE 1","rows":2)", {{"result", as_bytes(rows)}});
        put("flow.closed", id, R"("why":"the agent closed","commands":1)");
    }
    void reopen() {
        log_.reset();
        auto log = Log::open(folder_.options());
        ASSERT_TRUE(log) << log.error().message;
        log_ = std::move(*log);
    }
    json row_of(const std::string& session) const {
        const auto list = list_sessions(records(), {});
        for (const auto& row : list->sessions) {
            if (row.at("session") == session) return row;
        }
        return {};
    }
    std::vector<std::string> types_of(const std::string& session) const {
        std::vector<std::string> types;
        EXPECT_TRUE(replay_session(records(), session, [&types](const json& event) {
            types.push_back(event.at("type"));
            return true;
        }));
        return types;
    }
    std::filesystem::path records() const { return folder_.options().folder; }
    std::vector<json> found(const SearchFilter& filter) const {
        std::vector<json> out;
        EXPECT_TRUE(search_records(records(), filter, [&out](const json& match) {
            out.push_back(match);
            return true;
        }));
        return out;
    }
    static SearchFilter text(std::string text) {
        SearchFilter filter;
        filter.text = std::move(text);
        return filter;
    }

    TemporaryFolder folder_;
    std::unique_ptr<Log> log_;
};

// Printing a value recurses: a leaf of brackets must not end whoever looks at the log.
TEST(Leaf, IsNotReadWhenItIsNestedTooDeeply) {
    const auto nested = [](std::size_t depth) {
        return R"({"seq":0,"x":)" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
    };
    EXPECT_TRUE(parse_leaf(nested(limits::record_depth)));
    EXPECT_FALSE(parse_leaf(nested(limits::record_depth + 1)));
    EXPECT_FALSE(parse_leaf(nested(1'000'000)));
    EXPECT_TRUE(parse_leaf(R"({"seq":0,"text":")" + std::string(1000, '[') + R"("})"));
}

TEST_F(ViewsTest, SessionsAreListed) {
    const auto list = list_sessions(records(), {});
    ASSERT_TRUE(list);
    ASSERT_EQ(list->sessions.size(), 2);
    const json& first = list->sessions[0];
    EXPECT_EQ(first["session"], "01kan-nightly");
    EXPECT_EQ(first["agent"], "nightly");
    EXPECT_EQ(first["target"], "payments-db");
    EXPECT_EQ(first["user"], "app");
    EXPECT_EQ(first["commands"], 1);
    EXPECT_EQ(first["why"], "the agent closed");
}

TEST_F(ViewsTest, SessionsAreNarrowed) {
    SessionFilter filter;
    filter.agent = "reports";
    EXPECT_EQ(list_sessions(records(), filter)->sessions.size(), 1);
    filter = {};
    filter.limit = 1;
    const auto newest = list_sessions(records(), filter);
    ASSERT_EQ(newest->sessions.size(), 1);
    EXPECT_EQ(newest->sessions[0]["agent"], "reports");
    filter = {};
    filter.since = std::chrono::system_clock::now() + std::chrono::hours(1);
    EXPECT_TRUE(list_sessions(records(), filter)->sessions.empty());
}

// As a daemon that is killed leaves its sessions.
TEST_F(ViewsTest, SessionsOfADaemonThatDiedAreCut) {
    reopen();
    put("flow.opened", "02-alive", R"("agent":{"name":"nightly"},"target":"payments-db")");
    put("command", "02-alive", R"("command":1,"kind":"query","decision":"allow")");
    EXPECT_FALSE(row_of("02-alive").contains("cut")) << "it is open";
    reopen();
    put("daemon.degraded", "", R"("what":"the log was repaired")");
    put("daemon.started", "", R"("version":"1")");
    const json row = row_of("02-alive");
    EXPECT_FALSE(row.contains("closed"));
    EXPECT_LT(row.at("cut_after"), row.at("cut"));
    EXPECT_THAT(row.at("why").get<std::string>(), HasSubstr("killed or crashed"));
    EXPECT_FALSE(row_of("01kan-nightly").contains("cut")) << "it had closed";
    EXPECT_EQ(types_of("02-alive"), (std::vector<std::string>{"flow.opened", "command", "cut"}));
    EXPECT_EQ(types_of("01kan-nightly").back(), "flow.closed");
    // What a hold of it becomes is told after.
    put("hold.ended", "02-alive", R"("hold":"h-1","state":"expired")");
    EXPECT_EQ(types_of("02-alive").back(), "hold.ended");
    put("flow.opened", "03-after", R"("agent":{"name":"nightly"},"target":"payments-db")");
    EXPECT_FALSE(row_of("03-after").contains("cut"));
    EXPECT_EQ(types_of("03-after"), (std::vector<std::string>{"flow.opened"}));
}

TEST_F(ViewsTest, SessionsThatAStopCutAreCutByIt) {
    reopen();
    put("flow.opened", "02-long", R"("agent":{"name":"nightly"})");
    put("flow.opened", "03-late", R"("agent":{"name":"nightly"})");
    put("daemon.stopped", "", R"("sessions_cut":2)");
    put("flow.closed", "03-late", R"("why":"the agent closed")");
    EXPECT_EQ(row_of("02-long").at("why"), "cut: assentd stopped");
    EXPECT_EQ(row_of("03-late").at("why"), "the agent closed");
    EXPECT_FALSE(row_of("03-late").contains("cut"));
    put("daemon.started", "", R"("version":"1")");
    EXPECT_EQ(row_of("02-long").at("why"), "cut: assentd stopped");
    EXPECT_EQ(types_of("02-long"), (std::vector<std::string>{"flow.opened", "cut"})) << "once";
}

TEST_F(ViewsTest, ASessionThatIsFollowedEndsWithItsDaemon) {
    reopen();
    put("flow.opened", "02-alive", R"("agent":{"name":"nightly"})");
    int looks = 0;
    std::vector<std::string> types;
    ASSERT_TRUE(replay_session(
        records(), "02-alive",
        [&types](const json& event) {
            types.push_back(event.at("type"));
            return true;
        },
        [&] {
            if (++looks == 2) put("daemon.started", "", R"("version":"1")");
            return looks < 100;
        }));
    EXPECT_LT(looks, 100);
    EXPECT_EQ(types, (std::vector<std::string>{"flow.opened", "cut"}));
}

TEST_F(ViewsTest, SessionIsFoundByTheBeginningOfItsId) {
    EXPECT_EQ(find_session(records(), "01kan-n"), "01kan-nightly");
    EXPECT_EQ(find_session(records(), "01kan-nightly"), "01kan-nightly");
    EXPECT_EQ(find_session(records(), "02").error().code, Errc::not_found);
    const auto both = find_session(records(), "01kan");
    ASSERT_FALSE(both);
    EXPECT_EQ(both.error().code, Errc::invalid);
    EXPECT_THAT(both.error().message, HasSubstr("01kan-nightly, 01kan-reports"));
}

TEST_F(ViewsTest, SessionIsReplayedWithItsBodies) {
    std::vector<json> events;
    ASSERT_TRUE(replay_session(records(), "01kan-nightly", [&events](const json& event) {
        events.push_back(event);
        return true;
    }));
    ASSERT_EQ(events.size(), 5);
    EXPECT_EQ(events[0]["agent"]["purpose"], "month's end");
    EXPECT_EQ(events[1]["texts"]["text"], "UPDATE orders SET note = 'Größe \"L\"' WHERE id = 7");
    EXPECT_EQ(events[3]["result"]["columns"], json({"id", "ssn"}));
    EXPECT_EQ(events[3]["result"]["rows"], json({{"7", "****"}, {nullptr, "\x01\x02"}}));
}

TEST_F(ViewsTest, ReplayStopsWhenNobodyListens) {
    int count = 0;
    ASSERT_TRUE(replay_session(records(), "01kan-nightly", [&count](const json&) { return ++count < 2; }));
    EXPECT_EQ(count, 2);
}

TEST_F(ViewsTest, TextIsFoundInBodiesAndMembersInEitherCase) {
    const auto statements = found(text("SET NOTE"));
    ASSERT_EQ(statements.size(), 2);
    EXPECT_EQ(statements[0]["where"], "text");
    EXPECT_EQ(statements[0]["agent"], "nightly");
    EXPECT_THAT(statements[0]["excerpt"].get<std::string>(), HasSubstr("SET note"));
    EXPECT_EQ(found(text("MONTH'S")).at(0)["where"], "agent.purpose");
    EXPECT_EQ(found(text("größe \"l\"")).size(), 2);
    EXPECT_EQ(found(text("with \"bo\"")).at(0)["where"], "reason");
    EXPECT_TRUE(found(text("sha256")).empty());
    EXPECT_TRUE(found(text("drop")).empty());
}

TEST_F(ViewsTest, SearchIsNarrowed) {
    auto filter = text("orders");
    filter.agent = "reports";
    ASSERT_EQ(found(filter).size(), 1);
    filter = text("orders");
    filter.session = "01kan-n";
    ASSERT_EQ(found(filter).size(), 1);
    filter = text("orders");
    filter.since = std::chrono::system_clock::now() + std::chrono::hours(1);
    EXPECT_TRUE(found(filter).empty());
    filter = text("orders");
    filter.limit = 1;
    EXPECT_EQ(found(filter).size(), 1);
    EXPECT_FALSE(search_records(records(), text(""), {}));
}

TEST_F(ViewsTest, DamagedSegmentIsToldAndPassedOver) {
    const auto names = list_segments(records());
    ASSERT_GT(names->size(), 1);
    const auto file = records() / segment_file((*names)[1].first);
    std::string bytes = read_whole(file);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_whole(file, bytes);
    const auto result = search_records(records(), text("version"), [](const json&) { return true; });
    ASSERT_TRUE(result);
    EXPECT_THAT(result->warnings, ElementsAre(HasSubstr("assent verify")));
}

TEST(ResultRowsTest, LyingLengthsEndTheRows) {
    const std::string whole = row_description({"id"}) + data_row({"7"});
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_TRUE(read_result(as_bytes(std::string_view(whole).substr(0, size))).rows.empty());
    EXPECT_EQ(read_result(as_bytes(whole)).rows.size(), 1);
    EXPECT_TRUE(read_result(as_bytes(message('D', std::string("\0\2\0\0\0\1x", 7)))).is_cut);
    EXPECT_TRUE(read_result(as_bytes(std::string("D\0\0\0\0", 5))).is_cut);
    EXPECT_EQ(read_result(as_bytes(row_description({"b"}) + data_row({"a\x1b"}))).rows[0][0], "a\x1b")
        << "its format is said to be text";
    EXPECT_EQ(read_result(as_bytes(row_description({"b"}, '\1') + data_row({"abc"}))).rows[0][0], "\\x616263");
}

TEST(ParseTimeTest, TimesAndAges) {
    const auto now = *parse_time("2026-11-22T14:29:36.500000Z", {});
    EXPECT_EQ(to_rfc3339(now), "2026-11-22T14:29:36.500000Z");
    EXPECT_EQ(to_rfc3339(*parse_time("2026-11-22", now)), "2026-11-22T00:00:00.000000Z");
    EXPECT_EQ(to_rfc3339(*parse_time("2026-11-22 14:29", now)), "2026-11-22T14:29:00.000000Z");
    EXPECT_EQ(*parse_time("90s", now), now - std::chrono::seconds(90));
    EXPECT_EQ(*parse_time("7d", now), now - std::chrono::hours(168));
    for (const char* wrong : {"", "yesterday", "2026-11-22T14:29:36+01:00", "7", "-7d", "99999999999d"})
        EXPECT_FALSE(parse_time(wrong, now)) << wrong;
}

}  // namespace
}  // namespace assent::record
