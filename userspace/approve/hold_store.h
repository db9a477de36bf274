// Holds and acts in the database: one function a statement, no rules of its own. Thread: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "approve/desk.h"
#include "approve/sqlite.h"

namespace assent::approve {

class HoldStore {
public:
    // Makes the tables, or brings them to this version; refuses those of a newer one.
    [[nodiscard]] static Result<std::unique_ptr<HoldStore>> open(const std::filesystem::path& file);

    [[nodiscard]] Result<std::unique_ptr<Transaction>> begin() { return Transaction::begin(*database_); }

    // `request`: as encode_request() made it.
    [[nodiscard]] Result<> insert(const Hold& hold, Bytes request);
    // State, who decided, why and when, and what released it.
    [[nodiscard]] Result<> update(const Hold& hold);
    [[nodiscard]] Result<> add_act(std::string_view id, const Act& act);
    [[nodiscard]] Result<> add_escalation(std::string_view id, const Escalated& escalated);

    [[nodiscard]] Result<std::optional<Hold>> find(std::string_view id) const;
    // Two at most: enough to know that a beginning is not unique.
    [[nodiscard]] Result<std::vector<std::string>> ids_beginning(std::string_view beginning) const;
    [[nodiscard]] Result<std::optional<Hold>> latest_of(const Digest& digest) const;
    // Oldest first: those that wait, those that wait or are approved (open), those whose end is not noted as recorded;
    // newest first: all.
    enum class Which { waiting, open, unrecorded, all };
    [[nodiscard]] Result<std::vector<Hold>> list(Which which, std::size_t limit) const;
    // Those that wait or are approved, with the bytes of their requests.
    [[nodiscard]] Result<std::vector<std::pair<std::string, std::size_t>>> open_ids() const;
    // Those that wait, oldest first; or all, newest first.
    [[nodiscard]] Result<std::vector<std::string>> ids(bool only_waiting, std::size_t limit) const;
    [[nodiscard]] Result<> note_ends_recorded(const std::vector<std::string>& ids);
    // Deletes what ended before this moment.
    [[nodiscard]] Result<> forget_before(WallTime when);
    // Bytes of the requests of those that have ended, by agent.
    [[nodiscard]] Result<std::map<std::string, std::uint64_t>> ended_sizes() const;
    // Deletes so many of an agent's that have ended, the oldest first, and gives their bytes.
    [[nodiscard]] Result<std::uint64_t> forget_oldest_of(std::string_view agent, WallTime now, std::size_t count);
    [[nodiscard]] Database& database() noexcept { return *database_; }

private:
    explicit HoldStore(std::unique_ptr<Database> database) noexcept : database_(std::move(database)) {}
    [[nodiscard]] Result<> migrate();
    [[nodiscard]] Result<Hold> read(const Statement& statement) const;
    [[nodiscard]] Result<> read_acts(Hold& hold, std::int64_t number) const;
    [[nodiscard]] Result<> read_escalations(Hold& hold, std::int64_t number) const;

    std::unique_ptr<Database> database_;
};

}  // namespace assent::approve
