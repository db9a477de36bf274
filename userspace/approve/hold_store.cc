#include "approve/hold_store.h"

#include <algorithm>
#include <array>

#include "approve/chain.h"
#include "approve/hold_codec.h"
#include "approve/micros.h"

namespace assent::approve {
namespace {

// One entry takes user_version from its index to the next. Never change one that has been released.
constexpr std::array<const char*, 3> migrations = {R"(
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
)",
                                                   R"(
ALTER TABLE holds ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE holds ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE holds ADD COLUMN released_by TEXT NOT NULL DEFAULT '';
UPDATE holds SET size = length(request);
CREATE INDEX holds_of_an_agent ON holds (agent, number);
CREATE TABLE answers (
    number INTEGER PRIMARY KEY,
    hold INTEGER NOT NULL REFERENCES holds (number) ON DELETE CASCADE,
    approval TEXT NOT NULL,
    stage INTEGER NOT NULL CHECK (stage >= 0),
    approves INTEGER NOT NULL CHECK (approves IN (0, 1)),
    person TEXT NOT NULL,
    uid INTEGER NOT NULL,
    login_uid INTEGER NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    is_runner INTEGER NOT NULL CHECK (is_runner IN (0, 1)),
    widened_s INTEGER NOT NULL CHECK (widened_s >= 0),
    widened_times INTEGER NOT NULL CHECK (widened_times >= 0),
    reason TEXT NOT NULL,
    acted_us INTEGER NOT NULL
) STRICT;
INSERT INTO answers (hold, approval, stage, approves, person, uid, login_uid, issuer, subject, is_runner, widened_s,
                     widened_times, reason, acted_us)
    SELECT hold, approval, 0, approves, person, uid, login_uid, '', '', is_runner, 0, 0, reason, acted_us
    FROM acts ORDER BY hold, acted_us, approval;
DROP TABLE acts;
CREATE INDEX answers_of_a_hold ON answers (hold, number);
CREATE TABLE escalations (
    hold INTEGER NOT NULL REFERENCES holds (number) ON DELETE CASCADE,
    approval TEXT NOT NULL,
    stage INTEGER NOT NULL CHECK (stage >= 0),
    escalated_us INTEGER NOT NULL,
    PRIMARY KEY (hold, approval, stage)
) STRICT;
CREATE TABLE grants (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('shape', 'glass')),
    content BLOB NOT NULL,
    opened_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    times INTEGER NOT NULL CHECK (times >= 0),
    used INTEGER NOT NULL CHECK (used >= 0),
    revoked_us INTEGER NOT NULL,
    revoked_by TEXT NOT NULL,
    revoke_reason TEXT NOT NULL,
    reviewed_us INTEGER NOT NULL,
    reviewed_by TEXT NOT NULL,
    review TEXT NOT NULL
) STRICT;
CREATE TABLE suspensions (
    agent TEXT PRIMARY KEY,
    suspended_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    since_us INTEGER NOT NULL
) STRICT;
CREATE TABLE limit_counts (
    agent TEXT NOT NULL,
    rule TEXT NOT NULL,
    first_part INTEGER NOT NULL,
    part_us INTEGER NOT NULL,
    counts TEXT NOT NULL,
    PRIMARY KEY (agent, rule)
) STRICT;
)"};

#define ASSENT_HOLD_COLUMNS \
    "number, id, digest, state, opened_us, deadline_us, decided_us, decided_by, reason, request, released_by"

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

Result<> HoldStore::insert(const Hold& hold, Bytes request) {
    Statement statement(
        database_->prepare("INSERT INTO holds (id, digest, state, opened_us, deadline_us, decided_us, decided_by, reason, "
                           "request, agent, size) "
                           "VALUES (?, ?, ?, ?, ?, 0, '', '', ?, ?, ?)"));
    return statement.bind(std::string_view(hold.status.id))
        .bind(Bytes(hold.request.digest))
        .bind(name_of(hold.status.state))
        .bind(micros(hold.opened))
        .bind(micros(hold.status.deadline))
        .bind(request)
        .bind(std::string_view(hold.request.agent))
        .bind(static_cast<std::int64_t>(request.size()))
        .run();
}

Result<> HoldStore::update(const Hold& hold) {
    Statement statement(
        database_->prepare("UPDATE holds SET state = ?, decided_us = ?, decided_by = ?, reason = ?, released_by = ? "
                           "WHERE id = ?"));
    auto done = statement.bind(name_of(hold.status.state))
                    .bind(micros(hold.decided))
                    .bind(std::string_view(hold.status.decided_by))
                    .bind(std::string_view(hold.status.reason))
                    .bind(std::string_view(hold.status.grant))
                    .bind(std::string_view(hold.status.id))
                    .run();
    if (done && database_->changes() != 1) return fail(Errc::internal, "hold " + hold.status.id + " is not in the database");
    return done;
}

Result<> HoldStore::add_act(std::string_view id, const Act& act) {
    Statement statement(
        database_->prepare("INSERT INTO answers (hold, approval, stage, approves, person, uid, login_uid, issuer, subject, "
                           "is_runner, widened_s, "
                           "widened_times, reason, acted_us) "
                           "VALUES ((SELECT number FROM holds WHERE id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    const Widening widening = act.widening.value_or(Widening{});
    return statement.bind(id)
        .bind(std::string_view(act.approval))
        .bind(static_cast<std::int64_t>(act.stage))
        .bind(std::int64_t{act.approves})
        .bind(std::string_view(act.person))
        .bind(std::int64_t{act.uid})
        .bind(std::int64_t{act.login_uid})
        .bind(std::string_view(act.issuer))
        .bind(std::string_view(act.subject))
        .bind(std::int64_t{act.is_runner})
        .bind(std::int64_t{widening.lasts.count()})
        .bind(std::int64_t{widening.times})
        .bind(std::string_view(act.reason))
        .bind(micros(act.when))
        .run();
}

Result<> HoldStore::add_escalation(std::string_view id, const Escalated& escalated) {
    Statement statement(
        database_->prepare("INSERT INTO escalations (hold, approval, stage, escalated_us) "
                           "VALUES ((SELECT number FROM holds WHERE id = ?), ?, ?, ?)"));
    return statement.bind(id)
        .bind(std::string_view(escalated.approval))
        .bind(static_cast<std::int64_t>(escalated.stage))
        .bind(micros(escalated.when))
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
    hold.status.grant = statement.text(10);
    const std::int64_t number = statement.integer(0);
    if (auto acts = read_acts(hold, number); !acts) return std::unexpected(std::move(acts.error()));
    if (auto escalations = read_escalations(hold, number); !escalations)
        return std::unexpected(std::move(escalations.error()));
    hold.approved = given_names(hold);
    return hold;
}

Result<> HoldStore::read_acts(Hold& hold, std::int64_t number) const {
    Statement statement(
        database_->prepare("SELECT approval, stage, approves, person, uid, login_uid, issuer, subject, "
                           "is_runner, widened_s, widened_times, reason, acted_us "
                           "FROM answers WHERE hold = ? ORDER BY number"));
    statement.bind(number);
    while (true) {
        auto row = statement.step();
        if (!row) return std::unexpected(std::move(row.error()));
        if (!*row) return {};
        Act& act = hold.acts.emplace_back();
        act.approval = statement.text(0);
        act.stage = static_cast<std::size_t>(statement.integer(1));
        act.approves = statement.integer(2) == 1;
        act.person = statement.text(3);
        act.uid = static_cast<std::uint32_t>(statement.integer(4));
        act.login_uid = static_cast<std::uint32_t>(statement.integer(5));
        act.issuer = statement.text(6);
        act.subject = statement.text(7);
        act.is_runner = statement.integer(8) != 0;
        if (const auto lasts = statement.integer(9); lasts > 0)
            act.widening = Widening{std::chrono::seconds(lasts), static_cast<std::uint32_t>(statement.integer(10))};
        act.reason = statement.text(11);
        act.when = wall_of(statement.integer(12));
    }
}

Result<> HoldStore::read_escalations(Hold& hold, std::int64_t number) const {
    Statement statement(database_->prepare(
        "SELECT approval, stage, escalated_us FROM escalations WHERE hold = ? ORDER BY escalated_us, approval, stage"));
    statement.bind(number);
    while (true) {
        auto row = statement.step();
        if (!row) return std::unexpected(std::move(row.error()));
        if (!*row) return {};
        hold.escalated.push_back(
            {statement.text(0), static_cast<std::size_t>(statement.integer(1)), wall_of(statement.integer(2))});
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

Result<std::vector<std::pair<std::string, std::size_t>>> HoldStore::open_ids() const {
    Statement statement(
        database_->prepare("SELECT id, size FROM holds WHERE state IN ('waiting', 'approved') ORDER BY number"));
    std::vector<std::pair<std::string, std::size_t>> ids;
    while (true) {
        auto row = statement.step();
        if (!row) return std::unexpected(std::move(row.error()));
        if (!*row) return ids;
        ids.emplace_back(statement.text(0), static_cast<std::size_t>(statement.integer(1)));
    }
}

Result<std::vector<std::string>> HoldStore::ids(bool only_waiting, std::size_t limit) const {
    const char* sql = only_waiting ? "SELECT id FROM holds WHERE state = 'waiting' ORDER BY number LIMIT ?"
                                   : "SELECT id FROM holds ORDER BY number DESC LIMIT ?";
    Statement statement(database_->prepare(sql));
    statement.bind(static_cast<std::int64_t>(limit));
    std::vector<std::string> ids;
    while (true) {
        auto row = statement.step();
        if (!row) return std::unexpected(std::move(row.error()));
        if (!*row) return ids;
        ids.push_back(statement.text(0));
    }
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

Result<std::map<std::string, std::uint64_t>> HoldStore::ended_sizes() const {
    Statement statement(
        database_->prepare("SELECT agent, sum(size) FROM holds WHERE state NOT IN ('waiting', 'approved') GROUP BY agent"));
    std::map<std::string, std::uint64_t> sizes;
    while (true) {
        auto row = statement.step();
        if (!row) return std::unexpected(std::move(row.error()));
        if (!*row) return sizes;
        sizes[statement.text(0)] = static_cast<std::uint64_t>(statement.integer(1));
    }
}

Result<std::uint64_t> HoldStore::forget_oldest_of(std::string_view agent, WallTime now, std::size_t count) {
    std::vector<std::int64_t> numbers;
    std::uint64_t freed = 0;
    {
        // A denial is told again until its deadline; an end that the log does not have is not forgotten.
        Statement statement(
            database_->prepare("SELECT number, size FROM holds WHERE agent = ? AND state NOT IN ('waiting', 'approved') AND "
                               "is_end_recorded = 1 "
                               "AND NOT (state = 'denied' AND deadline_us > ?) ORDER BY number LIMIT ?"));
        statement.bind(agent).bind(micros(now)).bind(static_cast<std::int64_t>(count));
        while (true) {
            auto row = statement.step();
            if (!row) return std::unexpected(std::move(row.error()));
            if (!*row) break;
            numbers.push_back(statement.integer(0));
            freed += static_cast<std::uint64_t>(statement.integer(1));
        }
    }
    auto transaction = begin();
    if (!transaction) return std::unexpected(std::move(transaction.error()));
    for (const std::int64_t number : numbers) {
        Statement statement(database_->prepare("DELETE FROM holds WHERE number = ?"));
        if (auto done = statement.bind(number).run(); !done) return std::unexpected(std::move(done.error()));
    }
    if (auto done = (*transaction)->commit(); !done) return std::unexpected(std::move(done.error()));
    return freed;
}

Result<> HoldStore::forget_before(WallTime when) {
    Statement statement(
        database_->prepare("DELETE FROM holds WHERE deadline_us < ? AND state NOT IN ('waiting', 'approved')"));
    return statement.bind(micros(when)).run();
}

}  // namespace assent::approve
