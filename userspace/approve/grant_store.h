// Grants, suspensions and counts of limits in the database: one function a statement, no rules of its own. Thread: one at a
// time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "approve/grant.h"
#include "approve/sqlite.h"
#include "approve/suspension.h"

namespace assent::approve {

class GrantStore {
public:
    // Of a HoldStore, which makes the tables; it lives longer.
    explicit GrantStore(Database& database) : database_(database) {}

    [[nodiscard]] Result<> insert(const Grant& grant);
    // How often it was used, and who revoked or reviewed it.
    [[nodiscard]] Result<> update(const Grant& grant);
    // Newest first.
    [[nodiscard]] Result<std::vector<Grant>> list(std::size_t limit) const;
    // Those that ended before this moment and that nobody is asked about.
    [[nodiscard]] Result<> forget_before(WallTime when);

    [[nodiscard]] Result<> suspend(const Suspension& suspension);
    [[nodiscard]] Result<> resume(std::string_view agent);
    [[nodiscard]] Result<std::vector<Suspension>> suspensions() const;

    // In a transaction of the caller's.
    [[nodiscard]] Result<> replace_counts(const std::vector<LimitCount>& counts);
    [[nodiscard]] Result<std::vector<LimitCount>> counts() const;

private:
    Database& database_;
};

}  // namespace assent::approve
