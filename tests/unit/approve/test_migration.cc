// A database of the version before stages: what waited there goes on.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "approve/hold_codec.h"
#include "approve/micros.h"
#include "approve/sqlite.h"
#include "unit/approve/desk_fixture.h"

namespace assent::approve {
namespace {

using nlohmann::json;
using testing::ElementsAre;

constexpr const char* version_2 = R"(
CREATE TABLE holds (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, digest BLOB NOT NULL CHECK (length(digest) = 32),
    state TEXT NOT NULL, opened_us INTEGER NOT NULL, deadline_us INTEGER NOT NULL, decided_us INTEGER NOT NULL,
    decided_by TEXT NOT NULL, reason TEXT NOT NULL, request BLOB NOT NULL, is_end_recorded INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX one_live_hold_of_a_digest ON holds (digest) WHERE state IN ('waiting', 'approved');
CREATE INDEX holds_of_a_digest ON holds (digest, number);
CREATE INDEX open_holds ON holds (number) WHERE state IN ('waiting', 'approved');
CREATE TABLE acts (
    hold INTEGER NOT NULL REFERENCES holds (number) ON DELETE CASCADE, approval TEXT NOT NULL, approves INTEGER NOT NULL,
    person TEXT NOT NULL, uid INTEGER NOT NULL, login_uid INTEGER NOT NULL, is_runner INTEGER NOT NULL, reason TEXT NOT NULL,
    acted_us INTEGER NOT NULL, PRIMARY KEY (hold, approval, approves)
) STRICT;
PRAGMA user_version = 2;
)";

class MigrationTest : public DeskFixture {
protected:
    // The request as that version wrote it: one stage, without a shape.
    static ByteVector old_bytes(const model::HoldRequest& wanted) {
        const ByteVector bytes = encode_request(wanted);
        const std::string_view text = as_text(bytes);
        json old = json::from_cbor(text.begin(), text.end());
        old.erase("shape");
        old.erase("acts_for");
        for (json& approval : old["approvals"]) {
            approval["users"] = approval["stages"][0]["users"];
            approval["groups"] = approval["stages"][0]["groups"];
            approval.erase("stages");
            approval.erase("break_glass_s");
        }
        const std::vector<std::uint8_t> cbor = json::to_cbor(old);
        const auto view = std::as_bytes(std::span(cbor));
        return {view.begin(), view.end()};
    }
    void write(const model::HoldRequest& wanted) {
        desk.reset();
        std::filesystem::remove(file());
        auto database = Database::open(file());
        ASSERT_TRUE(database.has_value()) << database.error().message;
        ASSERT_TRUE((*database)->execute(version_2).has_value());
        const ByteVector bytes = old_bytes(wanted);
        Statement insert(
            (*database)->prepare("INSERT INTO holds (id, digest, state, opened_us, deadline_us, decided_us, "
                                 "decided_by, reason, request) VALUES ('h-222222', ?, 'waiting', ?, ?, 0, '', '', ?)"));
        ASSERT_TRUE(insert.bind(Bytes(wanted.digest))
                        .bind(micros(clock.wall()))
                        .bind(micros(clock.wall() + wanted.deadline))
                        .bind(Bytes(bytes))
                        .run()
                        .has_value());
        ASSERT_TRUE((*database)
                        ->execute("INSERT INTO acts VALUES (1, 'dba', 1, 'ben', 1001, 1001, 0, 'seen', 1800000000000000)")
                        .has_value());
    }
};

TEST_F(MigrationTest, WhatWaitedGoesOnWithTheAnswersItHad) {
    auto wanted = request();
    wanted.approvals.push_back(approval("security", {"sam"}));
    write(wanted);
    reopen();
    const auto hold = desk->find("h-222222");
    ASSERT_TRUE(hold.has_value()) << hold.error().message;
    EXPECT_EQ(hold->request.approvals, wanted.approvals);
    EXPECT_THAT(hold->approved, ElementsAre("dba"));
    EXPECT_EQ(hold->acts.at(0).person, "ben");
    EXPECT_EQ(hold->acts.at(0).reason, "seen");
    EXPECT_EQ(desk->request(wanted)->id, "h-222222") << "the same command joins it";
    EXPECT_EQ(desk->decide("h-222222", sam, true, "")->state, model::HoldState::approved);
    reopen();
    EXPECT_TRUE(desk->use("h-222222").value());
}

}  // namespace
}  // namespace assent::approve
