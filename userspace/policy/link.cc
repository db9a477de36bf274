// What only the whole set can tell: undefined names, addresses that two targets claim, rules that can never match.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "policy/decode.h"
#include "policy/spelling.h"

namespace assent::policy {
namespace {

using model::Operation;

void check_references(const PolicyContent& content, std::vector<Diagnostic>& mistakes) {
    const auto names_of = [](const auto& map) {
        std::vector<std::string> out;
        for (const auto& [name, value] : map) out.push_back(name);
        return out;
    };
    std::vector<std::string> targets;
    for (const auto& target : content.targets) targets.push_back(target.name);
    const std::vector<std::string> agents = names_of(content.agents);
    const std::vector<std::string> approvals = names_of(content.approvals);
    const std::vector<std::string> credentials = names_of(content.credentials);
    const auto check = [&](const Reference& reference, std::string_view kind, const std::vector<std::string>& known) {
        if (std::find(known.begin(), known.end(), reference.name) != known.end()) return;
        Reporter(mistakes, reference.place.file)
            .mistake(reference.place.at, fmt::format("undefined {} '{}'{}", kind, shown_text(reference.name),
                                                     suggestion(reference.name, known)));
    };
    for (const auto& reference : content.references) {
        switch (reference.kind) {
            case Reference::Kind::agent:
                check(reference, "agent", agents);
                break;
            case Reference::Kind::target:
                check(reference, "target", targets);
                break;
            case Reference::Kind::approval:
                check(reference, "approval", approvals);
                break;
            case Reference::Kind::credential:
                check(reference, "credential", credentials);
                break;
        }
    }
}

void check_ties(const PolicyContent& content, std::vector<Diagnostic>& mistakes) {
    const auto key_of = [](const TargetAddress& a) {
        return std::tuple(a.unix_name, a.host, a.network.value_or(model::IpAddress{}), a.network.has_value(), a.prefix_bits,
                          a.port);
    };
    std::map<decltype(key_of(TargetAddress{})), const AddressPlace*> seen;
    for (const auto& placed : content.addresses) {
        const auto [found, is_new] = seen.try_emplace(key_of(placed.address), &placed);
        if (is_new) continue;
        const AddressPlace& other = *found->second;
        Reporter(mistakes, placed.place.file)
            .mistake(placed.place.at, other.target == placed.target
                                          ? fmt::format("target '{}' has this address twice", placed.target)
                                          : fmt::format("targets '{}' and '{}' tie for this address (the other is at "
                                                        "{}:{}); one of them has to be narrower",
                                                        other.target, placed.target, other.place.file, other.place.at.line));
    }
}

// Operations whose objects are always relations, of two parts at least.
model::OperationSet relation_operations() {
    model::OperationSet set;
    for (const Operation operation :
         {Operation::insert, Operation::update, Operation::remove, Operation::truncate, Operation::lock}) {
        set.set(static_cast<std::size_t>(operation));
    }
    return set;
}

bool can_meet(const ObjectPattern& pattern, const model::OperationSet& operations) {
    if (pattern.name() == nullptr) return true;
    const auto& parts = pattern.name()->parts();
    if (parts.size() == 1) {
        auto others = operations & ~relation_operations();
        others.reset(static_cast<std::size_t>(Operation::read));
        return others.any();
    }
    const bool is_session_only = operations == *model::operations_named("session");
    return !is_session_only || (parts.size() == 2 && parts[0].matches("setting"));
}

bool is_subset(const std::optional<Names>& some, const std::optional<Names>& of) {
    if (!some) return true;
    if (!of) return false;
    if (some->is_any) return true;
    return !of->is_any && std::all_of(of->names.begin(), of->names.end(), [&](const auto& name) { return some->has(name); });
}

bool takes_all_away(const Selection& except, const Selection& what) {
    const bool takes_operations = !except.operations || (what.operations && (*what.operations & ~*except.operations).none());
    const bool takes_objects = !except.objects || std::any_of(except.objects->begin(), except.objects->end(),
                                                              [](const ObjectPattern& p) { return p.is_any(); });
    return takes_operations && takes_objects && is_subset(except.agents, what.agents) &&
           is_subset(except.targets, what.targets);
}

bool is_about_settings(const Rule& rule) { return rule.what.operations == model::operations_named("session"); }

// A tcp target is relayed: there is one command, to connect.
bool reaches_a_target(const Rule& rule, const PolicyContent& content) {
    if (rule.what.targets->is_any || rule.what.operations->test(static_cast<std::size_t>(Operation::connect))) return true;
    return std::any_of(rule.what.targets->names.begin(), rule.what.targets->names.end(), [&](const auto& name) {
        const auto found =
            std::find_if(content.targets.begin(), content.targets.end(), [&](const Target& t) { return t.name == name; });
        return found == content.targets.end() || found->protocol != Protocol::tcp;  // an undefined one is another mistake
    });
}

}  // namespace

void check_can_match(const Rule& rule, const PolicyContent& content, Reporter& report) {
    const auto never = [&](std::string_view why) {
        report.mistake(rule.place.at, fmt::format("rule '{}' can never match: {}", shown_text(rule.name), why));
    };
    // What was given and could not be read has been reported.
    const bool is_whole = rule.what.operations->any() && !rule.what.objects->empty();
    if (!is_whole) return;
    if (rule.except && takes_all_away(*rule.except, rule.what)) never("'except' takes all of it away");
    if (!reaches_a_target(rule, content)) never("its targets are tcp, where the one operation is 'connect'");
    for (std::size_t i = 0; i < rule.what.object_places.size(); ++i) {
        if (can_meet(rule.what.objects->at(i), *rule.what.operations)) continue;
        const PlacedText& placed = rule.what.object_places[i];
        report.mistake(placed.at, fmt::format("'{}' can never match: the operations of rule '{}' are about {}",
                                              shown_text(placed.text), shown_text(rule.name),
                                              is_about_settings(rule) ? "settings, written setting.NAME"
                                                                      : "relations, written schema.relation"));
    }
}

void link(PolicyContent& content, std::vector<Diagnostic>& mistakes) {
    const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
    std::sort(content.targets.begin(), content.targets.end(), by_name);
    std::sort(content.rules.begin(), content.rules.end(), by_name);
    std::sort(content.masks.begin(), content.masks.end(), by_name);
    check_references(content, mistakes);
    check_ties(content, mistakes);
    for (const Rule& rule : content.rules) {
        Reporter report(mistakes, rule.place.file);
        check_can_match(rule, content, report);
    }
}

}  // namespace assent::policy
