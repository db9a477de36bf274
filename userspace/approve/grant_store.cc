#include "approve/grant_store.h"

#include <charconv>

#include "approve/hold_codec.h"
#include "approve/micros.h"

namespace assent::approve {
namespace {

Result<Grant> read(const Statement& statement) {
    Grant grant;
    if (auto done = decode_grant(statement.blob(2), grant); !done) return std::unexpected(std::move(done.error()));
    grant.id = statement.text(0);
    grant.kind = statement.text(1) == name_of(GrantKind::glass) ? GrantKind::glass : GrantKind::shape;
    grant.opened = wall_of(statement.integer(3));
    grant.until = wall_of(statement.integer(4));
    grant.times = static_cast<std::uint32_t>(statement.integer(5));
    grant.used = static_cast<std::uint64_t>(statement.integer(6));
    grant.revoked = wall_of(statement.integer(7));
    grant.revoked_by = statement.text(8);
    grant.revoke_reason = statement.text(9);
    grant.reviewed = wall_of(statement.integer(10));
    grant.reviewed_by = statement.text(11);
    grant.review = statement.text(12);
    return grant;
}

// Counts as "3,0,17".
std::string text_of(const std::vector<std::uint32_t>& counts) {
    std::string out;
    for (const auto count : counts) out += (out.empty() ? "" : ",") + std::to_string(count);
    return out;
}

std::vector<std::uint32_t> counts_of(std::string_view text) {
    std::vector<std::uint32_t> out;
    while (!text.empty()) {
        const std::string_view word = text.substr(0, text.find(','));
        std::uint32_t count = 0;
        if (std::from_chars(word.data(), word.data() + word.size(), count).ec != std::errc()) return {};
        out.push_back(count);
        text.remove_prefix(std::min(text.size(), word.size() + 1));
    }
    return out;
}

}  // namespace

Result<> GrantStore::insert(const Grant& grant) {
    const ByteVector content = encode_grant(grant);
    Statement statement(database_.prepare(
        "INSERT INTO grants (id, kind, content, opened_us, until_us, times, used, revoked_us, revoked_by, revoke_reason, "
        "reviewed_us, reviewed_by, review) VALUES (?, ?, ?, ?, ?, ?, ?, 0, '', '', 0, '', '')"));
    return statement.bind(std::string_view(grant.id))
        .bind(name_of(grant.kind))
        .bind(Bytes(content))
        .bind(micros(grant.opened))
        .bind(micros(grant.until))
        .bind(std::int64_t{grant.times})
        .bind(static_cast<std::int64_t>(grant.used))
        .run();
}

Result<> GrantStore::update(const Grant& grant) {
    Statement statement(database_.prepare(
        "UPDATE grants SET used = ?, revoked_us = ?, revoked_by = ?, revoke_reason = ?, reviewed_us = ?, reviewed_by = ?, "
        "review = ? WHERE id = ?"));
    auto done = statement.bind(static_cast<std::int64_t>(grant.used))
                    .bind(micros(grant.revoked))
                    .bind(std::string_view(grant.revoked_by))
                    .bind(std::string_view(grant.revoke_reason))
                    .bind(micros(grant.reviewed))
                    .bind(std::string_view(grant.reviewed_by))
                    .bind(std::string_view(grant.review))
                    .bind(std::string_view(grant.id))
                    .run();
    if (done && database_.changes() != 1) return fail(Errc::internal, "grant " + grant.id + " is not in the database");
    return done;
}

Result<std::vector<Grant>> GrantStore::list(std::size_t limit) const {
    Statement statement(database_.prepare(
        "SELECT id, kind, content, opened_us, until_us, times, used, revoked_us, revoked_by, revoke_reason, reviewed_us, "
        "reviewed_by, review FROM grants ORDER BY number DESC LIMIT ?"));
    statement.bind(static_cast<std::int64_t>(limit));
    std::vector<Grant> out;
    while (true) {
        auto row = statement.step();
        if (!row) return std::unexpected(std::move(row.error()));
        if (!*row) return out;
        auto grant = read(statement);
        if (!grant) return std::unexpected(std::move(grant.error()));
        out.push_back(std::move(*grant));
    }
}

Result<> GrantStore::forget_before(WallTime when) {
    Statement statement(
        database_.prepare("DELETE FROM grants WHERE until_us < ? AND (kind = 'shape' OR reviewed_by <> '')"));
    return statement.bind(micros(when)).run();
}

Result<> GrantStore::suspend(const Suspension& suspension) {
    Statement statement(database_.prepare(
        "INSERT INTO suspensions (agent, suspended_by, reason, since_us) VALUES (?, ?, ?, ?) ON CONFLICT (agent) DO UPDATE "
        "SET suspended_by = excluded.suspended_by, reason = excluded.reason, since_us = excluded.since_us"));
    return statement.bind(std::string_view(suspension.agent))
        .bind(std::string_view(suspension.by))
        .bind(std::string_view(suspension.reason))
        .bind(micros(suspension.since))
        .run();
}

Result<> GrantStore::resume(std::string_view agent) {
    Statement statement(database_.prepare("DELETE FROM suspensions WHERE agent = ?"));
    auto done = statement.bind(agent).run();
    if (done && database_.changes() == 0)
        return fail(Errc::not_found, "no agent '" + std::string(agent) + "' is suspended; `assent status` lists them");
    return done;
}

Result<std::vector<Suspension>> GrantStore::suspensions() const {
    Statement statement(database_.prepare("SELECT agent, suspended_by, reason, since_us FROM suspensions ORDER BY agent"));
    std::vector<Suspension> out;
    while (true) {
        auto row = statement.step();
        if (!row) return std::unexpected(std::move(row.error()));
        if (!*row) return out;
        out.push_back({statement.text(0), statement.text(1), statement.text(2), wall_of(statement.integer(3))});
    }
}

Result<> GrantStore::replace_counts(const std::vector<LimitCount>& counts) {
    if (auto done = database_.execute("DELETE FROM limit_counts"); !done) return done;
    for (const LimitCount& count : counts) {
        const std::string text = text_of(count.counts);
        Statement statement(
            database_.prepare("INSERT INTO limit_counts (agent, rule, first_part, part_us, counts) VALUES (?, ?, ?, ?, ?)"));
        auto done = statement.bind(std::string_view(count.agent))
                        .bind(std::string_view(count.rule))
                        .bind(count.first_part)
                        .bind(count.part_us)
                        .bind(std::string_view(text))
                        .run();
        if (!done) return done;
    }
    return {};
}

Result<std::vector<LimitCount>> GrantStore::counts() const {
    Statement statement(database_.prepare("SELECT agent, rule, first_part, part_us, counts FROM limit_counts"));
    std::vector<LimitCount> out;
    while (true) {
        auto row = statement.step();
        if (!row) return std::unexpected(std::move(row.error()));
        if (!*row) return out;
        out.push_back({statement.text(0), statement.text(1), statement.integer(2), statement.integer(3),
                       counts_of(statement.text(4))});
    }
}

}  // namespace assent::approve
