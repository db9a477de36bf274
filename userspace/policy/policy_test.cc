// A test file is a list of cases, or a map with `cases`:
//
//   - name: dropping a table is denied
//     agent: nightly                # a named set, or any
//     target: shop-db
//     database: shop                # optional
//     catalog: shop.catalog.yaml    # optional, beside the test file
//     at: 2026-06-15T10:00:00Z      # optional: when it is asked
//     sql: DROP TABLE orders
//     expect: {verdict: deny, rules: [no-destructive-ddl], operations: [drop], masks: []}
//
// What `expect` leaves out is not compared. Lists are compared as sets.
#include "policy/policy_test.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/shown_text.h"
#include "policy/explain.h"
#include "policy/policy_files.h"
#include "policy/reader.h"
#include "policy/timestamp.h"

namespace assent::policy {
namespace {

using Words = std::set<std::string>;

struct Case {
    std::string name;
    Position at;
    ExplainRequest request;
    std::string catalog_file;
    std::optional<std::string> verdict;
    std::optional<Words> rules;
    std::optional<Words> operations;
    std::optional<Words> masks;
};

std::optional<Words> read_words(MapReader& map, std::string_view key, Reporter& report) {
    const YamlNode* node = map.optional(key);
    if (node == nullptr) return std::nullopt;
    if (node->kind == YamlNode::Kind::list && node->items.empty()) return Words{};
    const auto words = plain_texts(read_texts(*node, fmt::format("'{}'", key), report));
    return Words(words.begin(), words.end());
}

void check_operations(const YamlNode& node, const std::optional<Words>& operations, Reporter& report) {
    if (!operations) return;
    for (const auto& word : *operations) {
        const auto named = model::operations_named(word);
        if (!named || named->count() != 1)
            report.mistake(node.at, fmt::format("'{}' is not one operation", shown_text(word)));
    }
}

void decode_expectation(const YamlNode& node, Case& out, Reporter& report) {
    MapReader map(node, "'expect'", report);
    if (const YamlNode* verdict = map.optional("verdict")) {
        if (read_choice(*verdict, "'verdict'", {"allow", "hold", "deny"}, report)) out.verdict = verdict->text;
    }
    out.rules = read_words(map, "rules", report);
    out.operations = read_words(map, "operations", report);
    check_operations(node, out.operations, report);
    out.masks = read_words(map, "masks", report);
    map.finish();
    if (map.is_map() && node.members.empty()) report.mistake(node.at, "'expect' expects nothing");
}

std::optional<Case> decode_case(const YamlNode& node, Reporter& report) {
    MapReader map(node, "a case", report);
    if (!map.is_map()) return std::nullopt;
    Case out;
    out.at = node.at;
    const auto text = [&](std::string_view key, bool is_required, std::string& into) {
        const YamlNode* found = is_required ? map.required(key) : map.optional(key);
        if (found == nullptr) return;
        // An empty statement is a statement.
        if (found->kind == YamlNode::Kind::text && found->text.empty() && key == "sql") return;
        into = read_text(*found, fmt::format("'{}'", key), report).value_or("");
    };
    text("name", true, out.name);
    text("agent", true, out.request.agent);
    text("target", true, out.request.target);
    text("database", false, out.request.database);
    text("sql", true, out.request.sql);
    text("catalog", false, out.catalog_file);
    if (const YamlNode* when = map.optional("at")) {
        const auto parsed = read_timestamp(when->text);
        if (parsed) {
            out.request.when = *parsed;
        } else {
            report.mistake(when->at,
                           fmt::format("'at' is a time as 2026-06-15T10:00:00Z, not '{}'", shown_text(when->text)));
        }
    }
    if (const YamlNode* expect = map.required("expect")) decode_expectation(*expect, out, report);
    map.finish();
    return out;
}

std::vector<Case> decode_cases(const YamlNode& root, Reporter& report) {
    const YamlNode* list = &root;
    if (root.kind == YamlNode::Kind::map) {
        MapReader map(root, "a test file", report);
        (void)map.optional("version");
        list = map.required("cases");
        map.finish();
    }
    std::vector<Case> out;
    if (list == nullptr) return out;
    if (list->kind != YamlNode::Kind::list) {
        report.mistake(list->at, fmt::format("the cases have to be a list (- name: …), and are {}", kind_name(list->kind)));
        return out;
    }
    for (const auto& item : list->items) {
        if (auto one = decode_case(item, report)) out.push_back(std::move(*one));
    }
    return out;
}

void compare(std::string_view what, const std::optional<Words>& expected, const Words& got,
             std::vector<std::string>& differences) {
    if (!expected || *expected == got) return;
    differences.push_back(
        fmt::format("{}: expected [{}], got [{}]", what, fmt::join(*expected, ", "), fmt::join(got, ", ")));
}

std::vector<std::string> differences_of(const Policy& policy, const Case& one) {
    const auto explained = explain(policy, one.request);
    if (!explained) return {explained.error().message};
    const model::Verdict& verdict = explained->verdict;
    std::vector<std::string> out;
    const std::string_view decision = model::name_of(verdict.decision);
    if (one.verdict && *one.verdict != decision) {
        const std::string why =
            verdict.message.empty() ? fmt::format("by {}", fmt::join(verdict.rules, ", ")) : verdict.message;
        out.push_back(fmt::format("verdict: expected {}, got {} ({})", *one.verdict, decision, shown_text(why)));
    }
    Words operations;
    for (const auto& effect : verdict.effects) operations.emplace(model::name_of(effect.effect.operation));
    compare("rules", one.rules, Words(verdict.rules.begin(), verdict.rules.end()), out);
    compare("operations", one.operations, operations, out);
    compare("masks", one.masks, Words(verdict.masks.begin(), verdict.masks.end()), out);
    return out;
}

}  // namespace

std::expected<CaseResults, std::vector<Diagnostic>> run_policy_tests(const std::filesystem::path& directory) {
    auto policy = Policy::load(directory, 1);
    std::vector<Diagnostic> mistakes;
    if (!policy) mistakes = std::move(policy.error());
    CaseResults results;
    for (const auto& file : find_test_files(directory, mistakes)) {
        const auto text = read_text_file(file, file.string(), mistakes);
        if (!text) continue;
        Reporter report(mistakes, file.string());
        const auto root = parse_yaml(*text, report);
        if (!root) continue;
        for (Case& one : decode_cases(*root, report)) {
            if (!one.catalog_file.empty())
                one.request.catalog = read_text_file(file.parent_path() / one.catalog_file, one.catalog_file, mistakes);
            if (!mistakes.empty()) continue;
            auto differences = differences_of(**policy, one);
            if (differences.empty()) {
                ++results.passed;
            } else {
                results.failures.push_back({file.string(), one.at.line, one.name, std::move(differences)});
            }
        }
    }
    if (mistakes.empty() && results.passed + results.failures.size() == 0) {
        mistakes.push_back({directory.string(), 0, 0, "no cases: put them into a file that ends in .test.yaml"});
    }
    if (!mistakes.empty()) return std::unexpected(std::move(mistakes));
    return results;
}

}  // namespace assent::policy
