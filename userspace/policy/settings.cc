#include "policy/settings.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "policy/decode_console.h"
#include "policy/decode_dns.h"
#include "policy/decode_identity.h"
#include "policy/policy_files.h"
#include "policy/reader.h"

namespace assent::policy {
namespace {

constexpr std::uint64_t most_threads = 256;
constexpr std::size_t most_cgroup_parts = 8;
constexpr std::uint64_t most_denials = 1000;

void decode_list(MapReader& map, std::string_view key, std::vector<std::string>& out, Reporter& report) {
    if (const YamlNode* node = map.optional(key)) out = plain_texts(read_texts(*node, fmt::format("'{}'", key), report));
}

void decode_path(MapReader& map, std::string_view key, std::filesystem::path& out, Reporter& report) {
    const YamlNode* node = map.optional(key);
    if (node == nullptr) return;
    if (auto path = read_path(*node, fmt::format("'{}'", key), report)) out = std::move(*path);
}

// "/docker/*": parts that are not empty, nor lead anywhere else.
bool is_cgroup_pattern(std::string_view text) {
    std::size_t parts = 0;
    while (text.starts_with('/')) {
        text.remove_prefix(1);
        const auto part = text.substr(0, text.find('/'));
        if (part.empty() || part == "." || part == ".." || ++parts > most_cgroup_parts) return false;
        text.remove_prefix(part.size());
    }
    return parts > 0 && text.empty();
}

void decode_govern(const YamlNode& node, Settings& settings, Reporter& report) {
    MapReader map(node, "'govern'", report);
    settings.govern_slices.clear();
    if (const YamlNode* slices = map.optional("slices")) {
        for (const auto& placed : read_texts(*slices, "'slices'", report)) {
            const bool is_slice =
                placed.text.ends_with(".slice") && placed.text.find('/') == std::string::npos && placed.text.size() > 6;
            if (!is_slice)
                report.mistake(placed.at,
                               fmt::format("'{}' is not the name of a slice (assent.slice)", shown_text(placed.text)));
            settings.govern_slices.push_back(placed.text);
        }
    }
    decode_list(map, "units", settings.govern_units, report);
    if (const YamlNode* cgroups = map.optional("cgroups")) {
        for (const auto& placed : read_texts(*cgroups, "'cgroups'", report)) {
            if (!is_cgroup_pattern(placed.text))
                report.mistake(placed.at, fmt::format("'{}' is not the path of a cgroup from the mount, of at most {} parts "
                                                      "(/docker/*)",
                                                      shown_text(placed.text), most_cgroup_parts));
            settings.govern_cgroups.push_back(placed.text);
        }
    }
    map.finish();
    if (map.is_map() && settings.govern_slices.empty() && settings.govern_units.empty() && settings.govern_cgroups.empty()) {
        report.mistake(node.at, "'govern' names no slices, units or cgroups, so nothing would be governed");
    }
}

void decode_decide(const YamlNode& node, Settings& settings, Reporter& report) {
    MapReader map(node, "'decide'", report);
    decode_list(map, "users", settings.decide_users, report);
    decode_list(map, "groups", settings.decide_groups, report);
    map.finish();
}

// suspend: off, or {denials: 5, within: 1m, of: reviewers}
void decode_suspend(const YamlNode& node, Settings::Suspend& suspend, Reporter& report) {
    if (node.kind == YamlNode::Kind::text) {
        suspend.is_on = read_choice(node, "'suspend'", {"on", "off"}, report) != 1U;
        return;
    }
    MapReader map(node, "'suspend'", report);
    if (const YamlNode* denials = map.optional("denials"))
        suspend.denials =
            static_cast<std::uint32_t>(read_number(*denials, "'denials'", 1, most_denials, report).value_or(1));
    if (const YamlNode* within = map.optional("within")) {
        if (const auto time = read_duration(*within, "'within'", report))
            suspend.within = std::chrono::ceil<std::chrono::seconds>(*time);
        if (suspend.within.count() == 0 || suspend.within > std::chrono::hours(24))
            report.mistake(within->at, "'within' is from 1s to 24h");
    }
    if (const YamlNode* of = map.optional("of"))
        suspend.counts_rules = read_choice(*of, "'of'", {"reviewers", "all"}, report) == 1U;
    map.finish();
}

void decode_durability(const YamlNode& node, Settings::Records& records, Reporter& report) {
    MapReader map(node, "'durability'", report);
    if (const YamlNode* writes = map.optional("writes")) (void)read_choice(*writes, "'writes'", {"strict"}, report);
    if (const YamlNode* reads = map.optional("reads")) {
        if (reads->kind == YamlNode::Kind::text && reads->text == "strict") {
            records.reads_strict = true;
        } else if (const auto time = read_duration(*reads, "'reads' is 'strict', or", report)) {
            if (*time > std::chrono::minutes(1)) report.mistake(reads->at, "'reads' may wait for one minute at most");
            records.reads = *time;
            records.reads_strict = time->count() == 0;
        }
    }
    map.finish();
}

void decode_records(const YamlNode& node, Settings::Records& records, Reporter& report) {
    MapReader map(node, "'records'", report);
    if (const YamlNode* durability = map.optional("durability")) decode_durability(*durability, records, report);
    if (const YamlNode* size = map.optional("max_size"))
        records.max_size_bytes = read_size(*size, "'max_size'", report).value_or(records.max_size_bytes);
    if (const YamlNode* size = map.optional("reserve"))
        records.reserve_bytes = read_size(*size, "'reserve'", report).value_or(records.reserve_bytes);
    if (const YamlNode* retain = map.optional("retain")) {
        if (const auto time = read_duration(*retain, "'retain'", report))
            records.retain = std::chrono::ceil<std::chrono::hours>(*time);
        if (records.retain.count() == 0) report.mistake(retain->at, "'retain' keeps nothing");
    }
    map.finish();
}

void decode_proxy(const YamlNode& node, Settings& settings, Reporter& report) {
    MapReader map(node, "'proxy'", report);
    if (const YamlNode* ports = map.optional("ports")) {
        if (ports->kind != YamlNode::Kind::list || ports->items.empty())
            report.mistake(ports->at, "'ports' has to be a list of port numbers");
        for (const auto& item : ports->items) {
            const auto port = read_number(item, "a port", 1, 65535, report);
            if (!port) continue;
            const auto number = static_cast<std::uint16_t>(*port);
            const bool is_twice =
                std::find(settings.proxy_ports.begin(), settings.proxy_ports.end(), number) != settings.proxy_ports.end();
            if (is_twice) report.mistake(item.at, fmt::format("port {} is listed twice", number));
            settings.proxy_ports.push_back(number);
        }
    }
    if (const YamlNode* threads = map.optional("threads")) {
        settings.threads =
            static_cast<std::uint32_t>(read_number(*threads, "'threads'", 0, most_threads, report).value_or(0));
    }
    map.finish();
}

void decode_kernel(const YamlNode& node, Settings::Kernel& kernel, Reporter& report) {
    MapReader map(node, "'kernel'", report);
    if (const YamlNode* accept = map.optional("accept")) {
        if (accept->kind != YamlNode::Kind::list || accept->items.empty())
            report.mistake(accept->at, "'accept' has to be a list: no-lsm, root-agents, new-privileges");
        for (const auto& item : accept->items) {
            const auto choice =
                read_choice(item, "what 'accept' names", {"no-lsm", "root-agents", "new-privileges"}, report);
            if (choice == 0U) kernel.accepts_no_lsm = true;
            if (choice == 1U) kernel.accepts_root_agents = true;
            if (choice == 2U) kernel.accepts_new_privileges = true;
        }
    }
    if (const YamlNode* before = map.optional("sockets_before"))
        kernel.ends_earlier_sockets = read_choice(*before, "'sockets_before'", {"destroy", "list"}, report) != 1U;
    if (const YamlNode* cgroups = map.optional("new_cgroups"))
        kernel.gates_new_cgroups = read_choice(*cgroups, "'new_cgroups'", {"gate", "watch"}, report) != 1U;
    map.finish();
}

void decode_unix(const YamlNode& node, Settings::Unix& sockets, Reporter& report) {
    MapReader map(node, "'unix_sockets'", report);
    if (const YamlNode* unlisted = map.optional("unlisted"))
        sockets.others_pass = read_choice(*unlisted, "'unlisted'", {"deny", "pass"}, report) == 1;
    if (const YamlNode* datagrams = map.optional("datagrams")) {
        sockets.datagrams.clear();
        for (const auto& text : read_texts(*datagrams, "'datagrams'", report)) {
            if (!text.text.starts_with('/') || text.text.size() > 107)
                report.mistake(text.at, fmt::format("'{}' is not the whole path of a socket", shown_text(text.text)));
            sockets.datagrams.push_back(text.text);
        }
    }
    map.finish();
}

void decode_settings(const YamlNode& root, Settings& settings, Reporter& report) {
    MapReader map(root, "the settings", report);
    if (const YamlNode* version = map.optional("version")) {
        const auto text = read_text(*version, "'version'", report);
        if (text && *text != "1") report.mistake(version->at, fmt::format("'version' is 1, not '{}'", shown_text(*text)));
    }
    decode_path(map, "policies", settings.policies, report);
    decode_path(map, "state", settings.state, report);
    decode_path(map, "run", settings.run, report);
    if (const YamlNode* govern = map.optional("govern")) decode_govern(*govern, settings, report);
    if (const YamlNode* decide = map.optional("decide")) decode_decide(*decide, settings, report);
    if (const YamlNode* unlisted = map.optional("unlisted_targets")) {
        const auto choice = read_choice(*unlisted, "'unlisted_targets'", {"deny", "hold", "pass"}, report);
        settings.unlisted_targets = static_cast<Settings::Unlisted>(choice.value_or(0));
    }
    if (const YamlNode* suspend = map.optional("suspend")) decode_suspend(*suspend, settings.suspend, report);
    if (const YamlNode* records = map.optional("records")) decode_records(*records, settings.records, report);
    if (const YamlNode* kernel = map.optional("kernel")) decode_kernel(*kernel, settings.kernel, report);
    if (const YamlNode* sockets = map.optional("unix_sockets")) decode_unix(*sockets, settings.unix_sockets, report);
    if (const YamlNode* proxy = map.optional("proxy")) decode_proxy(*proxy, settings, report);
    if (const YamlNode* dns = map.optional("dns")) decode_dns(*dns, settings.dns, report);
    decode_path(map, "bpffs", settings.bpffs, report);
    if (const YamlNode* console = map.optional("console")) decode_console(*console, settings.console, report);
    if (const YamlNode* view = map.optional("view")) decode_view(*view, settings, report);
    if (const YamlNode* notify = map.optional("notify")) decode_notify(*notify, settings.notify, report);
    if (const YamlNode* identity = map.optional("identity")) decode_identity(*identity, settings.identity, report);
    map.finish();
}

}  // namespace

std::string Diagnostic::to_text() const {
    if (line == 0) return fmt::format("{}: {}", file, message);
    return fmt::format("{}:{}:{}: {}", file, line, column, message);
}

std::expected<Settings, std::vector<Diagnostic>> Settings::load(const std::filesystem::path& file) {
    std::vector<Diagnostic> mistakes;
    Settings settings;
    settings.file = file;
    settings.govern_slices = {"assent.slice"};
    settings.dns.types = usual_dns_types();
    const auto text = read_text_file(file, file.string(), mistakes);
    if (text) {
        Reporter report(mistakes, file.string());
        const auto root = parse_yaml(*text, report);
        if (root) decode_settings(*root, settings, report);
    }
    if (!mistakes.empty()) return std::unexpected(std::move(mistakes));
    return settings;
}

}  // namespace assent::policy
