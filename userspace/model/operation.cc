#include "model/operation.h"

#include <array>

namespace assent::model {
namespace {

constexpr std::array<std::string_view, operation_count> operation_names = {
    "unknown",  "connect", "read",        "insert",      "update", "delete", "truncate",
    "create",   "alter",   "drop",        "grant",       "import", "export", "execute",
    "external", "session", "transaction", "maintenance", "lock",   "notify", "replicate"};

OperationSet set_of(std::initializer_list<Operation> operations) {
    OperationSet set;
    for (const Operation operation : operations) set.set(static_cast<std::size_t>(operation));
    return set;
}

}  // namespace

std::string_view name_of(Operation operation) noexcept { return operation_names.at(static_cast<std::size_t>(operation)); }

std::optional<OperationSet> operations_named(std::string_view word) noexcept {
    using enum Operation;
    if (word == "any") return OperationSet().set();
    if (word == "writes") return set_of({insert, update, remove, truncate, import_rows});
    if (word == "ddl") return set_of({create, alter, drop});
    for (std::size_t i = 0; i < operation_names.size(); ++i) {
        if (operation_names.at(i) == word) return OperationSet().set(i);
    }
    return std::nullopt;
}

bool may_lack_objects(Operation operation) noexcept {
    return operation == Operation::read || operation == Operation::transaction || operation == Operation::lock;
}

}  // namespace assent::model
