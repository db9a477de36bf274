#include "sim/sim_server.h"

#include <optional>

#include "base/cursor.h"

namespace assent::sim {

std::string int16(std::size_t value) { return {static_cast<char>(value >> 8U), static_cast<char>(value)}; }
std::string int32(std::size_t value) { return int16(value >> 16U) + int16(value & 0xFFFFU); }
std::string zero_terminated(std::string_view text) { return std::string(text) + '\0'; }
std::string message(char type, std::string_view payload) { return type + int32(payload.size() + 4) + std::string(payload); }

namespace {

std::string error(std::string_view code, std::string_view text) {
    return message('E', "S" + zero_terminated("ERROR") + "V" + zero_terminated("ERROR") + "C" + zero_terminated(code) + "M" +
                            zero_terminated(text) + '\0');
}

bool starts(std::string_view text, std::string_view word) { return text.substr(0, word.size()) == word; }

// The answer to assent's question about names: who the session is, one schema, and one table where names are asked for.
std::string catalog_answer(bool has_names) {
    const auto row = [](std::initializer_list<std::string_view> fields) {
        std::string out = int16(7);
        for (const std::string_view field : fields) out += int32(field.size()) + std::string(field);
        for (std::size_t i = fields.size(); i < 7; ++i) out += int32(0xFFFFFFFF);
        return message('D', out);
    };
    std::string out =
        row({"session", "app", "app", "public"}) + row({"path", "pg_catalog", "1"}) + row({"path", "public", "2"});
    if (has_names) out += row({"relation", "", "t", "100", "public", "t", "r"}) + row({"column", "100", "1", "a", "23", ""});
    return out + message('C', zero_terminated("SELECT 2"));
}

std::string no_rows() { return message('C', zero_terminated("SELECT 0")); }

// A plan of one row, for what assent asks about a command that it is about to hold.
std::string plan() {
    constexpr std::string_view text = R"([{"Plan": {"Node Type": "Result", "Plan Rows": 1}}])";
    return message('D', int16(1) + int32(text.size()) + std::string(text)) + message('C', zero_terminated("EXPLAIN"));
}

bool has(std::string_view text, std::string_view word) { return text.find(word) != std::string_view::npos; }

bool is_question(std::string_view text) { return has(text, "pg_catalog") || starts(text, "EXPLAIN (FORMAT JSON)"); }

// Nothing: the question fails.
std::optional<std::string> answer(std::string_view text) {
    if (starts(text, "EXPLAIN")) return has(text, "7") ? std::nullopt : std::optional(plan());
    if (has(text, "set_config") || has(text, "made_operator")) return no_rows();
    return catalog_answer(has(text, "wanted"));
}

}  // namespace

void Server::received(Bytes bytes) {
    buffer_ += as_text(bytes);
    for (;;) {
        const std::size_t header = is_started_ ? 5 : 4;
        if (buffer_.size() < header) return;
        Cursor cursor(as_bytes(std::string_view(buffer_).substr(header - 4)));
        const std::size_t size = cursor.u32() + header - 4;
        if (buffer_.size() < size) return;
        const std::string whole = buffer_.substr(0, size);
        buffer_.erase(0, size);
        if (is_started_)
            handle(whole[0], std::string_view(whole).substr(5));
        else
            startup(std::string_view(whole).substr(4));
    }
}

void Server::startup(std::string_view) {
    is_started_ = true;
    out_(message('R', int32(0)));
    out_(message('S', zero_terminated("standard_conforming_strings") + zero_terminated("on")));
    out_(message('S', zero_terminated("client_encoding") + zero_terminated("UTF8")));
    out_(message('K', int32(4711) + int32(815)));
    ready();
}

void Server::ready() { out_(message('Z', std::string(1, status_))); }

void Server::fail(std::string_view code, std::string_view text) {
    if (status_ == 'T') status_ = 'E';
    out_(error(code, text));
}

std::string Server::run_savepoint(std::string_view text, std::string& replies) {
    const bool is_set = starts(text, "SAVEPOINT");
    const bool is_way_back = starts(text, "ROLLBACK TO");
    if (status_ == 'I') return "25P01";
    if (!is_way_back && status_ == 'E') return "25P02";
    if (!is_set && savepoints_ == 0) return "3B001";
    if (is_set) ++savepoints_;
    if (is_way_back) status_ = 'T';
    if (!is_set && !is_way_back) --savepoints_;
    replies += message('C', zero_terminated("SAVEPOINT"));
    return {};
}

std::string Server::run(std::string_view text, std::string& replies) {
    if (starts(text, "assent")) return "42601";
    if (has(text, "SAVEPOINT")) return run_savepoint(text, replies);
    if (is_question(text) && status_ != 'E') {
        const auto answered = answer(text);
        if (answered.has_value()) replies += *answered;
        return answered.has_value() ? "" : "22012";
    }
    if (starts(text, "ROLLBACK") || starts(text, "COMMIT")) {
        status_ = 'I';
        savepoints_ = 0;
        replies += message('C', zero_terminated("COMMIT"));
        return {};
    }
    if (status_ == 'E') return "25P02";
    if (starts(text, "SELECT fails")) return "22012";
    if (starts(text, "BEGIN")) {
        status_ = 'T';
        replies += message('C', zero_terminated("BEGIN"));
    } else if (starts(text, "SELECT")) {
        const std::string field = int16(1) + int32(text.size()) + std::string(text);
        replies += message('D', field) + message('C', zero_terminated("SELECT 1"));
    } else {
        replies += message('C', zero_terminated("UPDATE 1"));
    }
    return {};
}

void Server::run_simple(std::string_view text) {
    ran_(text);
    std::string replies;
    const std::string code = run(text, replies);
    if (!code.empty()) {
        fail(code, "simulated");
    } else {
        if (starts(text, "SELECT")) {
            out_(message('T', int16(1) + zero_terminated("a") + int32(0) + int16(0) + int32(25) + int16(0xFFFF) +
                                  int32(0xFFFFFFFF) + int16(0)));
        }
        out_(replies);
    }
    ready();
}

void Server::handle(char type, std::string_view payload) {
    Cursor cursor(as_bytes(payload));
    if (type == 'X') {
        has_ended_ = true;
        return;
    }
    if (type == 'Q') {
        is_skipping_ = false;
        return run_simple(cursor.c_string());
    }
    if (type == 'S') {
        is_skipping_ = false;
        if (status_ == 'I') portals_.clear();
        return ready();
    }
    if (is_skipping_ || type == 'H') return;
    const auto failed = [&](std::string_view code) {
        is_skipping_ = true;
        fail(code, "simulated");
    };
    if (type == 'P') {
        const std::string name(cursor.c_string());
        const std::string text(cursor.c_string());
        if (name.empty()) statements_.erase(name);
        if (starts(text, "assent")) return failed("42601");
        if (status_ == 'E' && !starts(text, "ROLLBACK") && !starts(text, "COMMIT")) return failed("25P02");
        if (!name.empty() && statements_.contains(name)) return failed("42P05");
        statements_[name] = text;
        out_(message('1', ""));
    } else if (type == 'B') {
        const std::string portal(cursor.c_string());
        const auto statement = statements_.find(std::string(cursor.c_string()));
        if (statement == statements_.end()) return failed("26000");
        if (!portal.empty() && portals_.contains(portal)) return failed("42P03");
        portals_[portal] = statement->second;
        out_(message('2', ""));
    } else if (type == 'D') {
        const bool is_statement = cursor.u8() == 'S';
        const std::string name(cursor.c_string());
        const auto& names = is_statement ? statements_ : portals_;
        const auto found = names.find(name);
        if (found == names.end()) return failed("34000");
        if (is_statement) out_(message('t', int16(0)));
        const std::string column =
            zero_terminated("a") + int32(0) + int16(0) + int32(25) + int16(0xFFFF) + int32(0xFFFFFFFF) + int16(0);
        out_(starts(found->second, "SELECT") ? message('T', int16(1) + column) : message('n', ""));
    } else if (type == 'E') {
        const auto portal = portals_.find(std::string(cursor.c_string()));
        if (portal == portals_.end()) return failed("34000");
        if (portal->first != "assent question") ran_(portal->second);
        std::string replies;
        const std::string code = run(portal->second, replies);
        if (!code.empty()) return failed(code);
        out_(replies);
    } else if (type == 'C') {
        const bool is_statement = cursor.u8() == 'S';
        (is_statement ? statements_ : portals_).erase(std::string(cursor.c_string()));
        out_(message('3', ""));
    }
}

}  // namespace assent::sim
