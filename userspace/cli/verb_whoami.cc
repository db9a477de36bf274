#include <cstdio>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/table.h"
#include "cli/verb.h"

namespace assent::cli {
namespace {

using nlohmann::json;

void add_if_any(Fields& fields, std::string_view title, const std::string& value) {
    if (!value.empty()) fields.add(title, value);
}

void add_token(Fields& fields, const json& token) {
    if (token.is_null()) return;
    const auto acting = text_of(token, "acting");
    if (flag_of(token, "good")) {
        fields.add("acts for", acting.empty() ? text_of(token, "sub") : acting);
        fields.add("says", text_of(token, "issuer"));
        fields.add("until", text_of(token, "expires"));
        return;
    }
    const auto failure = text_of(token, "failure");
    const std::string why = flag_of(token, "pending") ? "is being verified"
                            : !failure.empty()        ? failure
                                                      : "expired at " + text_of(token, "expires");
    fields.add("token", "not good, so nothing is allowed: " + why);
    add_if_any(fields, "to renew", text_of(token, "renewal"));
}

void print_person(const json& person) {
    if (person.is_null()) return;
    const auto groups = texts_of(person, "groups");
    Fields fields;
    fields.add("you are", text_of(person, "name"));
    fields.add("issuer", text_of(person, "issuer"));
    fields.add("subject", text_of(person, "subject"));
    fields.add("groups", groups.empty() ? "none" : joined(groups));
    if (person.contains("own_uid")) fields.add("here", fmt::format("uid {}", number_of(person, "own_uid")));
    std::printf("%s\n", fields.to_text(terminal_width()).c_str());
}

void print_targets(const json& answer) {
    Table targets({{"TARGET"}, {"ADDRESSES"}, {"DATABASES"}});
    for (const json& target : member_of(answer, "targets")) {
        const auto databases = texts_of(target, "databases");
        targets.add(
            {text_of(target, "name"), joined(texts_of(target, "addresses")), databases.empty() ? "any" : joined(databases)});
    }
    std::printf("\n");
    if (targets.is_empty()) {
        std::printf("No policy names a target, so none may be reached.\n");
    } else {
        targets.print();
    }
}

std::string limit_text(const json& rule) {
    const json& limit = member_of(rule, "limit");
    if (!limit.is_object()) return {};
    return std::to_string(number_of(limit, "commands")) + " in " + shown_duration(number_of(limit, "per_s")) + ", then " +
           text_of(limit, "then");
}

void print_rules(const json& answer) {
    Table rules({{"RULE"},
                 {"VERDICT"},
                 {"TARGETS", Table::Align::left, 30},
                 {"OPERATIONS", Table::Align::left, 40},
                 {"OBJECTS", Table::Align::left, 40},
                 {"LIMIT"}});
    for (const json& rule : member_of(answer, "rules")) {
        rules.add({text_of(rule, "name"), text_of(rule, "verdict"), joined(texts_of(rule, "targets")),
                   joined(texts_of(rule, "operations")), joined(texts_of(rule, "objects")), limit_text(rule)});
    }
    if (!rules.is_empty()) {
        std::printf("\n");
        rules.print();
        std::printf("What no rule allows or holds is denied.\n");
    }
    Table masks({{"MASK"}, {"METHOD"}, {"COLUMNS", Table::Align::left, 80}});
    for (const json& mask : member_of(answer, "masks"))
        masks.add({text_of(mask, "name"), text_of(mask, "method"), joined(texts_of(mask, "columns"))});
    if (masks.is_empty()) return;
    std::printf("\n");
    masks.print();
}

void print_holds(const json& answer) {
    Table holds({{"HOLD"}, {"LEFT", Table::Align::right}, {"COMMAND", Table::Align::left, 80}});
    for (const json& hold : member_of(answer, "holds")) {
        holds.add({text_of(hold, "id"), shown_duration(number_of(hold, "left_s")), text_of(hold, "text")});
    }
    if (holds.is_empty()) return;
    std::printf("\n");
    holds.print();
}

void print_refusals(const json& answer) {
    const json& refusals = member_of(answer, "refusals");
    if (!refusals.is_array() || refusals.empty()) return;
    std::printf("\nRefused last:\n");
    for (const json& one : refusals) {
        std::printf("  %s  %s\n    %s (%s)\n", text_of(one, "time").c_str(), shown_text(text_of(one, "what")).c_str(),
                    shown_text(text_of(one, "message")).c_str(), shown_text(text_of(one, "detail")).c_str());
    }
}

void print_agent(const json& answer) {
    const auto sets = texts_of(answer, "agents");
    Fields fields;
    fields.add("agent", text_of(answer, "agent"));
    fields.add("known as", sets.empty() ? "none: no policy names this agent, so nothing is allowed" : joined(sets));
    add_if_any(fields, "user", text_of(answer, "user"));
    add_if_any(fields, "cgroup", text_of(answer, "cgroup"));
    add_if_any(fields, "unit", text_of(answer, "unit"));
    add_if_any(fields, "run", text_of(answer, "run"));
    add_if_any(fields, "started by", text_of(answer, "runner"));
    add_if_any(fields, "purpose", text_of(answer, "purpose"));
    add_token(fields, member_of(answer, "token"));
    std::printf("%s", fields.to_text(terminal_width()).c_str());

    if (const auto why = text_of(answer, "suspended"); !why.empty())
        std::printf("\nSUSPENDED, so nothing runs until a person resumes this agent: %s\n", shown_text(why).c_str());
    print_targets(answer);
    print_rules(answer);
    print_holds(answer);
    print_refusals(answer);
    std::printf("\nHow to ask:\n");
    for (const auto& line : texts_of(answer, "how_to_ask")) std::printf("  %s\n", shown_text(line).c_str());
}

// The agent's own holds that wait, as members of `holds`.
bool add_holds(Context& context, json& answer) {
    answer["holds"] = json::array();
    return ask_daemon(context, {{"verb", "holds"}, {"brief", true}},
                      [&](const json& message) {
                          answer["holds"].push_back(member_of(message, "hold"));
                          return true;
                      })
        .has_value();
}

}  // namespace

void add_verb_whoami(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("whoami", "Who an agent is here and what it may reach; or who you are");
    verb->footer(R"(
For agents and those who write them: the names that policies see, the targets that policies know, the rules and masks that concern
it, its holds that wait, what it was refused last (connections too), and how to ask. --json has all of it for programs.

Exit codes: 0 governed, 1 not governed, 3 no daemon answers.)");
    verb->callback([&context] {
        auto answer = ask_daemon(context, {{"verb", "whoami"}});
        if (!answer) return;
        const bool is_governed = flag_of(*answer, "governed");
        if (!is_governed) context.exit_code = exit_failed;
        if (is_governed && !add_holds(context, *answer)) return;
        if (context.is_json) {
            print_json(*answer);
        } else if (is_governed) {
            print_agent(*answer);
        } else {
            print_person(member_of(*answer, "person"));
            std::printf(
                "This process is not governed: assent does not see what it does. Start agents with `assent run`, or in a "
                "governed slice.\n");
        }
    });
}

}  // namespace assent::cli
