// The operations of POLICY.md, and sets of them.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>

namespace assent::model {

enum class Operation : std::uint8_t {
    unknown = 0,  // zero is safe: what was not classified is denied unless a rule names `unknown`
    connect,
    read,
    insert,
    update,
    remove,  // written `delete`, a keyword of C++
    truncate,
    create,
    alter,
    drop,
    grant,
    import_rows,  // written `import`
    export_rows,  // written `export`
    execute,
    external,
    session,
    transaction,
    maintenance,
    lock,
    notify,
    replicate,
};

inline constexpr std::size_t operation_count = 21;

using OperationSet = std::bitset<operation_count>;

// As policies write it: "delete", "import".
[[nodiscard]] std::string_view name_of(Operation operation) noexcept;

// One operation ("insert"), a group ("writes", "ddl") or "any"; nothing for another word.
[[nodiscard]] std::optional<OperationSet> operations_named(std::string_view word) noexcept;

// May an effect of this operation have no objects: read, transaction, lock (POLICY.md).
[[nodiscard]] bool may_lack_objects(Operation operation) noexcept;

}  // namespace assent::model
