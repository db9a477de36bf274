// SQLite as this folder uses it: one connection, prepared statements kept by their text, errors as Result.
// Thread: one at a time (the desk's mutex).
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace assent::approve {

// A prepared statement that is being run. Bound in the order of its question marks; reset when it goes out of scope.
class Statement {
public:
    // Of Database::prepare(); its error, if it is one, comes out of step().
    explicit Statement(Result<sqlite3_stmt*> prepared);
    ~Statement() {
        sqlite3_reset(statement_);
        sqlite3_clear_bindings(statement_);
    }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    Statement& bind(std::int64_t value);
    Statement& bind(std::string_view value);  // must live until the statement has run
    Statement& bind(Bytes value);             // likewise
    // True: a row is there. False: no more rows.
    [[nodiscard]] Result<bool> step();
    // For statements that give no rows.
    [[nodiscard]] Result<> run();

    [[nodiscard]] std::int64_t integer(int column) const noexcept { return sqlite3_column_int64(statement_, column); }
    [[nodiscard]] std::string text(int column) const;
    [[nodiscard]] Bytes blob(int column) const;  // until the next step()

private:
    void note(int status);

    sqlite3_stmt* statement_ = nullptr;
    int next_ = 1;
    std::optional<Error> error_;  // the first, of preparing and binding
};

class Database {
public:
    // Opens or makes the file (mode 0600, never through a symbolic link), alone: a second opener fails. Every commit is on
    // disk when it returns.
    [[nodiscard]] static Result<std::unique_ptr<Database>> open(const std::filesystem::path& file);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // `sql` must be a literal: its statement is kept by its text. Never two of the same text at once.
    [[nodiscard]] Result<sqlite3_stmt*> prepare(const char* sql);
    [[nodiscard]] Result<> execute(const char* sql);
    [[nodiscard]] int changes() const noexcept { return sqlite3_changes(connection_); }
    [[nodiscard]] std::int64_t last_row() const noexcept { return sqlite3_last_insert_rowid(connection_); }

private:
    explicit Database(sqlite3* connection) noexcept : connection_(connection) {}
    [[nodiscard]] Result<> configure();

    sqlite3* connection_;
    std::map<const char*, sqlite3_stmt*> statements_;
};

// BEGIN IMMEDIATE … COMMIT; rolled back when it goes out of scope without commit().
class Transaction {
public:
    [[nodiscard]] static Result<std::unique_ptr<Transaction>> begin(Database& database);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    [[nodiscard]] Result<> commit();

private:
    explicit Transaction(Database& database) noexcept : database_(database) {}
    Database& database_;
    bool is_open_ = true;
};

}  // namespace assent::approve
