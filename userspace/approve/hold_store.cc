#include "approve/hold_store.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "approve/hold_codec.h"

namespace assent::approve {
namespace {

// One entry takes user_version from its index to the next. Never change one that has been released.
constexpr std::array<const char*, 2> migrations = {R"(
CREATE TABLE holds (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'used', 'denied', 'expired', 'cancelled', 'revoked')),
    opened_us INTEGER NOT NULL,
    deadline_us INTEGER NOT NULL,
    decided_us INTEGER NOT NULL,
    decided_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    request BLOB NOT NULL
) STRICT;
-- A command has one hold that can still let it run.
CREATE UNIQUE INDEX one_live_hold_of_a_digest ON holds (digest) WHERE state IN ('waiting', 'approved');
CREATE INDEX holds_of_a_digest ON holds (digest, number);
CREATE INDEX open_holds ON holds (number) WHERE state IN ('waiting', 'approved');
CREATE TABLE acts (
    hold INTEGER NOT NULL REFERENCES holds (number) ON DELETE CASCADE,
    approval TEXT NOT NULL,
    approves INTEGER NOT NULL CHECK (approves IN (0, 1)),
    person TEXT NOT NULL,
    uid INTEGER NOT NULL,
    login_uid INTEGER NOT NULL,
    is_runner INTEGER NOT NULL CHECK (is_runner IN (0, 1)),
    reason TEXT NOT NULL,
    acted_us INTEGER NOT NULL,
    PRIMARY KEY (hold, approval, approves)
) STRICT;
)",
                                                   R"(
ALTER TABLE holds ADD COLUMN is_end_recorded INTEGER NOT NULL DEFAULT 0;
UPDATE holds SET is_end_recorded = 1 WHERE state NOT IN ('waiting', 'approved');
CREATE INDEX unrecorded_ends ON holds (number) WHERE is_end_recorded = 0 AND state NOT IN ('waiting', 'approved');
)"};

#define ASSENT_HOLD_COLUMNS "number, id, digest, state, opened_us, deadline_us, decided_us, decided_by, reason, request"

std::int64_t micros(WallTime time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

WallTime wall_of(std::int64_t value) {
    return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::microseconds(value)));
}

}  // namespace

Result<std::unique_ptr<HoldStore>> HoldStore::open(const std::filesystem::path& file) {
    auto database = Database::open(file);
    if (!database) return std::unexpected(std::move(database.error()));
    std::unique_ptr<HoldStore> store(new HoldStore(std::move(*database)));
    if (auto migrated = store->migrate(); !migrated) return std::unexpected(std::move(migrated.error()));
    return store;
}

Result<> HoldStore::migrate() {
    std::int64_t version = 0;
    {
        Statement statement(database_->prepare("PRAGMA user_version"));
        if (auto row = statement.step(); !row) return std::unexpected(std::move(row.error()));
        version = statement.integer(0);
    }
    if (version < 0 || version > static_cast<std::int64_t>(migrations.size())) {
        return fail(Errc::unsupported, "the database of holds was written by a newer assent (version " +
                                           std::to_string(version) + "); install that one, or move the file away");
    }
    for (auto next = static_cast<std::size_t>(version); next < migrations.size(); ++next) {
        auto transaction = begin();
        if (!transaction) return std::unexpected(std::move(transaction.error()));
        if (auto done = database_->execute(migrations.at(next)); !done) return done;
        const std::string set_version = "PRAGMA user_version = " + std::to_string(next + 1);
        if (auto done = database_->execute(set_version.c_str()); !done) return done;
        if (auto done = (*transaction)->commit(); !done) return done;
    }
    return {};
}

Result<> HoldStore::insert(const Hold& hold) {
    const ByteVector request = encode_request(hold.request);
    Statement statement(database_->prepare(
        "INSERT INTO holds (id, digest, state, opened_us, deadline_us, decided_us, decided_by, reason, request) "
        "VALUES (?, ?, ?, ?, ?, 0, '', '', ?)"));
    return statement.bind(std::string_view(hold.status.id))
        .bind(Bytes(hold.request.digest))
        .bind(name_of(hold.status.state))
        .bind(micros(hold.opened))
        .bind(micros(hold.status.deadline))
        .bind(Bytes(request))
        .run();
}

Result<> HoldStore::update(const Hold& hold) {
    Statement statement(
        database_->prepare("UPDATE holds SET state = ?, decided_us = ?, decided_by = ?, reason = ? WHERE id = ?"));
    auto done = statement.bind(name_of(hold.status.state))
                    .bind(micros(hold.decided))
                    .bind(std::string_view(hold.status.decided_by))
                    .bind(std::string_view(hold.status.reason))
                    .bind(std::string_view(hold.status.id))
                    .run();
    if (done && database_->changes() != 1) return fail(Errc::internal, "hold " + hold.status.id + " is not in the database");
    return done;
}

Result<> HoldStore::add_act(std::string_view id, const Act& act) {
    Statement statement(database_->prepare(
        "INSERT INTO acts (hold, approval, approves, person, uid, login_uid, is_runner, reason, acted_us) "
        "VALUES ((SELECT number FROM holds WHERE id = ?), ?, ?, ?, ?, ?, ?, ?, ?)"));
    return statement.bind(id)
        .bind(std::string_view(act.approval))
        .bind(std::int64_t{act.approves})
        .bind(std::string_view(act.person))
        .bind(std::int64_t{act.uid})
        .bind(std::int64_t{act.login_uid})
        .bind(std::int64_t{act.is_runner})
        .bind(std::string_view(act.reason))
        .bind(micros(act.when))
        .run();
}

Result<Hold> HoldStore::read(const Statement& statement) const {
    Hold hold;
    auto request = decode_request(statement.blob(9));
    if (!request) return std::unexpected(std::move(request.error()));
    const Bytes digest = statement.blob(2);
    if (!std::ranges::equal(digest, request->digest))
        return fail(Errc::malformed, "a hold's digest is not that of its request");
    hold.request = std::move(*request);
    hold.status.id = statement.text(1);
    const auto state = model::hold_state_named(statement.text(3));
    if (!state) return fail(Errc::malformed, "hold " + hold.status.id + " has no state");
    hold.status.state = *state;
    hold.opened = wall_of(statement.integer(4));
    hold.status.deadline = wall_of(statement.integer(5));
    hold.decided = wall_of(statement.integer(6));
    hold.status.decided_by = statement.text(7);
    hold.status.reason = statement.text(8);
    if (auto acts = read_acts(hold, statement.integer(0)); !acts) return std::unexpected(std::move(acts.error()));
    return hold;
}

Result<> HoldStore::read_acts(Hold& hold, std::int64_t number) const {
    Statement statement(
        database_->prepare("SELECT approval, approves, person, uid, login_uid, is_runner, reason, acted_us "
                           "FROM acts WHERE hold = ? ORDER BY acted_us, approval"));
    statement.bind(number);
    while (true) {
        auto row = statement.step();
        if (!row) return std::unexpected(std::move(row.error()));
        if (!*row) return {};
        Act act;
        act.approval = statement.text(0);
        act.approves = statement.integer(1) == 1;
        act.person = statement.text(2);
        act.uid = static_cast<std::uint32_t>(statement.integer(3));
        act.login_uid = static_cast<std::uint32_t>(statement.integer(4));
        act.is_runner = statement.integer(5) != 0;
        act.reason = statement.text(6);
        act.when = wall_of(statement.integer(7));
        if (act.approves) hold.approved.push_back(act.approval);
        hold.acts.push_back(std::move(act));
    }
}

Result<std::optional<Hold>> HoldStore::find(std::string_view id) const {
    Statement statement(database_->prepare("SELECT " ASSENT_HOLD_COLUMNS " FROM holds WHERE id = ?"));
    auto row = statement.bind(id).step();
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) return std::nullopt;
    auto hold = read(statement);
    if (!hold) return std::unexpected(std::move(hold.error()));
    return std::optional<Hold>(std::move(*hold));
}

Result<std::vector<std::string>> HoldStore::ids_beginning(std::string_view beginning) const {
    const std::string end = std::string(beginning) + "~";  // after every letter and digit
    Statement statement(database_->prepare("SELECT id FROM holds WHERE id >= ? AND id < ? LIMIT 2"));
    statement.bind(beginning).bind(std::string_view(end));
    std::vector<std::string> ids;
    while (true) {
        auto row = statement.step();
        if (!row) return std::unexpected(std::move(row.error()));
        if (!*row) return ids;
        ids.push_back(statement.text(0));
    }
}

Result<std::optional<Hold>> HoldStore::latest_of(const Digest& digest) const {
    Statement statement(
        database_->prepare("SELECT " ASSENT_HOLD_COLUMNS " FROM holds WHERE digest = ? ORDER BY number DESC LIMIT 1"));
    auto row = statement.bind(Bytes(digest)).step();
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) return std::nullopt;
    auto hold = read(statement);
    if (!hold) return std::unexpected(std::move(hold.error()));
    return std::optional<Hold>(std::move(*hold));
}

Result<std::vector<Hold>> HoldStore::list(Which which, std::size_t limit) const {
    const char* sql =
        which == Which::waiting ? "SELECT " ASSENT_HOLD_COLUMNS " FROM holds WHERE state = 'waiting' ORDER BY number LIMIT ?"
        : which == Which::open  ? "SELECT " ASSENT_HOLD_COLUMNS
                                 " FROM holds WHERE state IN ('waiting', 'approved') ORDER BY number LIMIT ?"
        : which == Which::unrecorded
            ? "SELECT " ASSENT_HOLD_COLUMNS
              " FROM holds WHERE is_end_recorded = 0 AND state NOT IN ('waiting', 'approved') ORDER BY number LIMIT ?"
            : "SELECT " ASSENT_HOLD_COLUMNS " FROM holds ORDER BY number DESC LIMIT ?";
    Statement statement(database_->prepare(sql));
    statement.bind(static_cast<std::int64_t>(limit));
    std::vector<Hold> holds;
    while (true) {
        auto row = statement.step();
        if (!row) return std::unexpected(std::move(row.error()));
        if (!*row) return holds;
        auto hold = read(statement);
        if (!hold) return std::unexpected(std::move(hold.error()));
        holds.push_back(std::move(*hold));
    }
}

Result<> HoldStore::note_ends_recorded(const std::vector<std::string>& ids) {
    auto transaction = begin();
    if (!transaction) return std::unexpected(std::move(transaction.error()));
    for (const std::string& id : ids) {
        Statement statement(database_->prepare("UPDATE holds SET is_end_recorded = 1 WHERE id = ?"));
        if (auto done = statement.bind(std::string_view(id)).run(); !done) return done;
    }
    return (*transaction)->commit();
}

Result<> HoldStore::forget_before(WallTime when) {
    Statement statement(
        database_->prepare("DELETE FROM holds WHERE deadline_us < ? AND state NOT IN ('waiting', 'approved')"));
    return statement.bind(micros(when)).run();
}

}  // namespace assent::approve
