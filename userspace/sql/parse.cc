#include "sql/parse.h"

#include <pg_query.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/json_depth.h"
#include "base/limits.h"
#include "sql/analyser.h"
#include "sql/lexer.h"
#include "sql/tree.h"

namespace assent::sql {
namespace {

constexpr std::size_t nested_texts = 4;  // PREPARE and function bodies inside one another

struct ParseResult {
    PgQueryParseResult value;
    explicit ParseResult(const std::string& text) : value(pg_query_parse(text.c_str())) {}
    ~ParseResult() { pg_query_free_parse_result(value); }
    ParseResult(const ParseResult&) = delete;
    ParseResult& operator=(const ParseResult&) = delete;
};

// The text of one statement, as libpg_query places it.
std::string_view statement_text(std::string_view text, Node statement) {
    const auto start =
        std::min(static_cast<std::size_t>(std::max<std::int64_t>(statement.integer("stmt_location"), 0)), text.size());
    const auto length = static_cast<std::size_t>(std::max<std::int64_t>(statement.integer("stmt_len"), 0));
    return length == 0 ? text.substr(start) : text.substr(start, length);
}

std::string refusal(std::string_view text) {
    if (text.size() > limits::statement_size) return fmt::format("longer than {} bytes", limits::statement_size);
    if (text.find('\0') != std::string_view::npos) return "a zero byte in the text";
    if (repeated_size(text) > limits::statement_repetition) return "assignments to lists of columns that repeat too much";
    return {};
}

std::shared_ptr<const Parsed> parse_nested(std::string_view text, std::size_t level);

// The text of a function's body in the language SQL; empty for others.
std::string_view function_body(Node function) {
    std::string_view body;
    bool is_sql = false;
    for (const auto item : function.list("options")) {
        const Node option = Node(item).as("DefElem");
        if (option.text("defname") == "language") is_sql = option.member("arg").string_value() == "sql";
        if (option.text("defname") != "as") continue;
        const Node list = option.member("arg").as("List");
        body = list.size("items") == 1 ? list.first("items").string_value() : std::string_view();
    }
    return is_sql ? body : std::string_view();
}

void add_nested(Tree& tree, std::string_view text, std::size_t level) {
    std::size_t index = 0;
    for (const auto item : tree.statements_) {
        const Node statement = Node(item).member("stmt");
        if (statement.kind() == "PrepareStmt") {
            const std::string_view whole = statement_text(text, Node(item));
            if (const auto offset = prepared_offset(whole))
                tree.nested_[index] = parse_nested(whole.substr(*offset), level + 1);
        } else if (const Node function = statement.as("CreateFunctionStmt")) {
            const std::string_view body = function_body(function);
            if (!body.empty()) tree.nested_[index] = parse_nested(body, level + 1);
        }
        ++index;
    }
}

// Reads the tree into `parsed`, or says why not.
std::string read_tree(Parsed& parsed, std::size_t level) {
    const ParseResult result(parsed.text);
    if (result.value.error != nullptr)
        return result.value.error->message != nullptr ? result.value.error->message : "syntax error";
    if (result.value.parse_tree == nullptr) return "no tree";
    const std::string_view json = result.value.parse_tree;
    if (json_depth(json) > limits::statement_depth) return fmt::format("deeper than {} nodes", limits::statement_depth);

    auto tree = std::make_shared<Tree>();
    simdjson::dom::element root;
    thread_local simdjson::dom::parser parser;
    if (parser.capacity() < json.size() || parser.max_depth() < limits::statement_depth + 8) {
        if (parser.allocate(json.size(), limits::statement_depth + 8) != simdjson::SUCCESS) return "too large";
    }
    if (const auto error = parser.parse_into_document(tree->document_, json).get(root); error != simdjson::SUCCESS) {
        return error == simdjson::UTF8_ERROR ? "not valid UTF-8" : "a tree that cannot be read";
    }
    if (root["stmts"].get(tree->statements_) != simdjson::SUCCESS) return "a tree without statements";
    parsed.statement_count = tree->statements_.size();
    if (parsed.statement_count > limits::statements_per_query) {
        return fmt::format("more than {} statements", limits::statements_per_query);
    }
    add_nested(*tree, parsed.text, level);
    parsed.tree = std::move(tree);
    return {};
}

std::shared_ptr<const Parsed> parse_nested(std::string_view text, std::size_t level) {
    auto parsed = std::make_shared<Parsed>();
    parsed->text = text;
    parsed->failure = level > nested_texts ? "statements inside one another too deep" : refusal(text);
    if (parsed->failure.empty()) parsed->failure = read_tree(*parsed, level);
    if (parsed->tree == nullptr) parsed->statement_count = 0;
    collect_names(*parsed);
    return parsed;
}

}  // namespace

std::shared_ptr<const Parsed> parse(std::string_view text) { return parse_nested(text, 0); }

}  // namespace assent::sql
