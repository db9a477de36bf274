#include "approve/sqlite.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/fd.h"

namespace assent::approve {
namespace {

constexpr int busy_timeout_ms = 2000;  // a daemon that is just being replaced

std::unexpected<Error> failed(sqlite3* connection, std::string_view what) {
    std::string message("holds: ");
    message += what;
    message += ": ";
    message += connection != nullptr ? sqlite3_errmsg(connection) : "out of memory";
    return fail(Errc::io, std::move(message));
}

// SQLite would make it as the umask says, and follow a link.
Result<> make_private_file(const std::filesystem::path& file) {
    const Fd made(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!made.is_open()) return fail_errno("open " + file.string(), errno);
    struct stat status {};
    if (::fstat(made.get(), &status) != 0) return fail_errno("stat " + file.string(), errno);
    if (!S_ISREG(status.st_mode)) return fail(Errc::invalid, file.string() + " is not a regular file");
    if (::fchmod(made.get(), 0600) != 0) return fail_errno("chmod " + file.string(), errno);
    return {};
}

}  // namespace

Statement::Statement(Result<sqlite3_stmt*> prepared) {
    if (prepared) {
        statement_ = *prepared;
    } else {
        error_ = std::move(prepared.error());
    }
}

void Statement::note(int status) {
    if (status != SQLITE_OK && !error_)
        error_ = Error{Errc::internal, std::string("holds: bind: ") + sqlite3_errstr(status)};
}

Statement& Statement::bind(std::int64_t value) {
    if (!error_) note(sqlite3_bind_int64(statement_, next_++, value));
    return *this;
}

Statement& Statement::bind(std::string_view value) {
    const char* data = value.data() != nullptr ? value.data() : "";
    if (!error_) note(sqlite3_bind_text64(statement_, next_++, data, value.size(), SQLITE_STATIC, SQLITE_UTF8));
    return *this;
}

Statement& Statement::bind(Bytes value) {
    if (!error_) note(sqlite3_bind_blob64(statement_, next_++, value.data(), value.size(), SQLITE_STATIC));
    return *this;
}

Result<bool> Statement::step() {
    if (error_) return std::unexpected(*error_);
    const int status = sqlite3_step(statement_);
    if (status == SQLITE_ROW) return true;
    if (status == SQLITE_DONE) return false;
    return failed(sqlite3_db_handle(statement_), "the database says");
}

Result<> Statement::run() {
    auto stepped = step();
    if (!stepped) return std::unexpected(std::move(stepped.error()));
    return {};
}

std::string Statement::text(int column) const {
    const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return data == nullptr ? std::string()
                           : std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

Bytes Statement::blob(int column) const {
    const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
    return data == nullptr ? Bytes() : Bytes(data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& file) {
    if (auto made = make_private_file(file); !made) return std::unexpected(std::move(made.error()));
    sqlite3* connection = nullptr;
    const int status = sqlite3_open_v2(file.c_str(), &connection,
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_NOFOLLOW, nullptr);
    std::unique_ptr<Database> database(new Database(connection));
    if (status != SQLITE_OK) return failed(connection, "open " + file.string());
    if (auto configured = database->configure(); !configured) {
        return fail(configured.error().code, file.string() + ": " + configured.error().message);
    }
    return database;
}

Result<> Database::configure() {
    sqlite3_busy_timeout(connection_, busy_timeout_ms);
    sqlite3_db_config(connection_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    // Exclusive first: then WAL needs no shared memory, and nobody else can write to the file while it is open.
    for (const char* pragma : {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
                               "PRAGMA foreign_keys = ON", "PRAGMA trusted_schema = OFF", "PRAGMA cell_size_check = ON"}) {
        if (auto done = execute(pragma); !done) return done;
    }
    Statement statement(prepare("PRAGMA integrity_check(1)"));
    auto row = statement.step();
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row || statement.text(0) != "ok") {
        return fail(Errc::malformed, "the database of holds is damaged (" + statement.text(0) +
                                         "); move it away to start with no holds: what was decided is in the log");
    }
    return {};
}

Database::~Database() {
    for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close(connection_);
}

Result<sqlite3_stmt*> Database::prepare(const char* sql) {
    if (const auto kept = statements_.find(sql); kept != statements_.end()) return kept->second;
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(connection_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
        return failed(connection_, std::string("prepare ") + sql);
    }
    statements_.emplace(sql, statement);
    return statement;
}

Result<> Database::execute(const char* sql) {
    if (sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr) != SQLITE_OK)
        return failed(connection_, "the database says");
    return {};
}

Result<std::unique_ptr<Transaction>> Transaction::begin(Database& database) {
    if (auto begun = database.execute("BEGIN IMMEDIATE"); !begun) return std::unexpected(std::move(begun.error()));
    return std::unique_ptr<Transaction>(new Transaction(database));
}

Transaction::~Transaction() {
    // A failed rollback leaves nothing behind either: SQLite has then rolled back by itself.
    if (is_open_) static_cast<void>(database_.execute("ROLLBACK").has_value());
}

Result<> Transaction::commit() {
    auto done = database_.execute("COMMIT");
    if (done) is_open_ = false;
    return done;
}

}  // namespace assent::approve
