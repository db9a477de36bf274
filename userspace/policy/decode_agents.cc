// agents: named sets; items are alternatives, the keys of one item must all hold.
#include <fmt/format.h>

#include "base/shown_text.h"
#include "policy/decode.h"

namespace assent::policy {
namespace {

std::optional<std::string> pattern_of(MapReader& map, std::string_view key, Reporter& report) {
    const YamlNode* node = map.optional(key);
    return node == nullptr ? std::nullopt : read_text(*node, fmt::format("'{}'", key), report);
}

void decode_exe(MapReader& map, AgentItem& item, Reporter& report) {
    const YamlNode* node = map.optional("exe");
    if (node == nullptr) return;
    const auto exe = read_text(*node, "'exe'", report);
    if (!exe) return;
    if (!exe->starts_with('/') && !exe->starts_with("**")) {
        report.mistake(node->at,
                       fmt::format("'exe' is a full path that starts with '/', so '{}' can never match", shown_text(*exe)));
    }
    item.exe.emplace(*exe, Glob::Kind::path);
}

void decode_cgroup(MapReader& map, AgentItem& item, Reporter& report) {
    const YamlNode* node = map.optional("cgroup");
    if (node == nullptr) return;
    const auto cgroup = read_text(*node, "'cgroup'", report);
    if (!cgroup) return;
    if (!cgroup->starts_with('/') || cgroup->ends_with('/'))
        report.mistake(node->at, fmt::format("'cgroup' is a path from the mount as in /docker/*, so '{}' can never match",
                                             shown_text(*cgroup)));
    item.cgroup.emplace(*cgroup, Glob::Kind::path);
}

void decode_run(MapReader& map, AgentItem& item, Reporter& report) {
    if (const auto run = pattern_of(map, "run", report)) item.run.emplace(*run);
    const YamlNode* node = map.optional("runners");
    if (node == nullptr) return;
    if (!item.run) report.mistake(node->at, "'runners' says who may claim a 'run' name, and there is no 'run' here");
    Names runners;
    for (const auto& placed : read_texts(*node, "'runners'", report)) {
        if (placed.text == "any") {
            runners.is_any = true;
        } else {
            runners.names.push_back(placed.text);
        }
    }
    item.runners = std::move(runners);
}

AgentItem decode_item(const YamlNode& node, Decoding& decoding) {
    Reporter& report = decoding.report;
    AgentItem item;
    item.place = decoding.place(node.at);
    MapReader map(node, "an item of an agent set", report);
    if (const auto unit = pattern_of(map, "unit", report)) {
        item.unit.emplace(*unit);
        item.unit_text = *unit;
    }
    if (const auto slice = pattern_of(map, "slice", report)) {
        item.slice.emplace(*slice);
        item.slice_text = *slice;
        if (!slice->ends_with(".slice") && !slice->ends_with('*')) {
            report.mistake(map.optional("slice")->at,
                           fmt::format("'slice' is the name of a slice; did you mean '{}.slice'?", shown_text(*slice)));
        }
    }
    decode_exe(map, item, report);
    decode_cgroup(map, item, report);
    decode_run(map, item, report);
    if (const YamlNode* token = map.optional("token")) item.token = decode_token(*token, report);
    map.finish();
    if (map.is_map() && node.members.empty())
        report.mistake(node.at, "an item without keys would be every agent; say unit, slice, cgroup, exe, run or token");
    return item;
}

}  // namespace

void decode_agents(const YamlNode& node, Decoding& decoding) {
    const MapReader map(node, "'agents'", decoding.report);
    for (const auto& member : node.members) {
        if (!check_name(member.key, member.key_at, "an agent set", decoding.report)) continue;
        if (!decoding.define("agent", member.key, member.key_at)) continue;
        auto& items = decoding.content.agents[member.key];
        if (member.value.kind != YamlNode::Kind::list) {
            decoding.report.mistake(
                member.value.at, fmt::format("agent '{}' has to be a list of items (- {{unit: …}}), and is {}", member.key,
                                             kind_name(member.value.kind)));
            continue;
        }
        if (member.value.items.empty()) {
            decoding.report.mistake(member.value.at,
                                    fmt::format("agent '{}' has no items, so it can never match", member.key));
        }
        for (const auto& item : member.value.items) items.push_back(decode_item(item, decoding));
    }
}

}  // namespace assent::policy
