#include <cstdio>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/table.h"
#include "cli/verb.h"

namespace assent::cli {
namespace {

using nlohmann::json;

void print_warnings(std::string_view title, const std::vector<std::string>& lines) {
    if (lines.empty()) return;
    std::printf("%s\n", std::string(title).c_str());
    for (const auto& line : lines) std::printf("  %s\n", shown_text(line).c_str());
    std::printf("\n");
}

std::string policy_text(const json& policy) {
    if (!policy.is_object()) return "none loaded: everything is denied";
    std::string text = fmt::format("revision {}", number_of(policy, "revision"));
    if (const auto digest = text_of(policy, "digest"); !digest.empty()) text += ", sha256 " + digest.substr(0, 16);
    if (const auto loaded = text_of(policy, "loaded"); !loaded.empty()) text += ", loaded " + loaded;
    return text;
}

std::string records_text(const json& records) {
    std::string text;
    if (!flag_of(records, "is_available")) {
        text = "UNAVAILABLE, so commands are denied";
        if (const auto why = text_of(records, "why"); !why.empty()) text += ": " + why;
        return text;
    }
    text = fmt::format("{} in {} {}, {:.1f} MiB", number_of(records, "records"), number_of(records, "segments"),
                       number_of(records, "segments") == 1 ? "segment" : "segments",
                       static_cast<double>(number_of(records, "size_bytes")) / (1024.0 * 1024.0));
    if (const json& last = member_of(records, "last_checkpoint"); !last.is_null()) {
        text += ", last checkpoint " + (last.is_string() ? last.get<std::string>() : last.dump());
    }
    return text;
}

std::string daemon_text(const json& status) {
    std::string text = fmt::format("assentd {}, pid {}", text_of(status, "version"), number_of(status, "pid"));
    if (const auto since = text_of(status, "since"); !since.empty()) text += ", since " + since;
    return text;
}

std::string lookups_text(const json& dns) {
    std::string text = fmt::format("{} asked, {} refused, {} not answered", number_of(dns, "queries"),
                                   number_of(dns, "refused"), number_of(dns, "failed"));
    if (const auto unread = number_of(dns, "unknown") + number_of(dns, "left_out"); unread > 0)
        text += fmt::format(", {} not read", unread);
    return text;
}

std::string resolvers_text(const json& dns) {
    std::string text;
    for (const json& one : member_of(dns, "resolvers")) {
        if (!text.empty()) text += "\n";
        text += text_of(one, "address");
        if (!flag_of(one, "is_healthy")) text += " DOES NOT ANSWER: " + text_of(one, "last_failure");
    }
    return text.empty() ? "none" : text;
}

// "nightly: 12 refused (send 11, bind 1), last send to 10.1.2.3:443 at …"; an agent that is a run by its name.
std::string attempts_text(const json& attempts) {
    constexpr std::size_t shown = 10;
    std::string text;
    for (std::size_t i = 0; i < attempts.size() && i < shown; ++i) {
        const json& each = attempts[i];
        std::string kinds;
        for (const auto& [kind, count] : member_of(each, "kinds").items())
            kinds += fmt::format("{}{} {}", kinds.empty() ? "" : ", ", kind, count.dump());
        const auto agent = text_of(each, "agent");
        const auto address = text_of(each, "last_address");
        text += fmt::format("{}{}: {} refused ({}), last {}{}{} at {}", text.empty() ? "" : "\n",
                            agent.empty() ? text_of(each, "cgroup") : agent, number_of(each, "count"), kinds,
                            text_of(each, "last_what"), address.empty() ? "" : " to ", address, text_of(each, "last"));
    }
    if (attempts.size() > shown) text += fmt::format("\nand {} more agents", attempts.size() - shown);
    return text;
}

// "agent-1.service: 3 ended, 1 left (tcp 10.1.2.3:443: process 812 (nginx), …)"
std::string earlier_text(const json& earlier) {
    std::string text;
    for (const json& each : earlier) {
        const auto agent = text_of(each, "agent");
        text +=
            fmt::format("{}{}: {} ended, {} left", text.empty() ? "" : "\n", agent.empty() ? text_of(each, "cgroup") : agent,
                        number_of(each, "ended"), number_of(each, "left"));
        if (const auto left = texts_of(each, "left_to"); !left.empty()) text += " (" + joined(left, "; ") + ")";
    }
    return text;
}

// "webhook ops: 12 delivered", "mail smtp.example.com: FAILS: …"
std::string notices_text(const json& notices) {
    std::string text = flag_of(notices, "is_watched") ? "" : "NOBODY SENDS THEM: assent-notify does not run";
    for (const json& channel : member_of(notices, "channels")) {
        text += fmt::format("{}{}: {}", text.empty() ? "" : "\n", text_of(channel, "channel"),
                            flag_of(channel, "is_failing") ? "FAILS: " + text_of(channel, "why")
                                                           : fmt::format("{} delivered", number_of(channel, "delivered")));
        if (const auto dropped = number_of(channel, "dropped"); dropped > 0) text += fmt::format(", {} given up", dropped);
    }
    return text.empty() ? "nothing was sent yet" : shown_text(text, Lines::many);
}

// Broken glass is said for as long as it is open, and asked about until it has been reviewed.
std::vector<std::string> glass_texts(const json& status) {
    std::vector<std::string> lines;
    for (const json& one : member_of(status, "approvals")) {
        if (text_of(one, "kind") != "glass") continue;
        const std::string id = text_of(one, "id");
        const bool is_open = text_of(one, "state") == "in force";
        lines.push_back(fmt::format("{}: {} let agent {} through at {} {}{}, {} times: {}", id, text_of(one, "given_by"),
                                    text_of(one, "agent"), text_of(one, "target"), is_open ? "until " : "until it ended at ",
                                    text_of(one, "until"), number_of(one, "used"), text_of(one, "reason")));
        if (flag_of(one, "needs_review"))
            lines.push_back(fmt::format("  not reviewed: look at what was done, then assent review {} --reason TEXT", id));
    }
    return lines;
}

std::vector<std::string> suspended_texts(const json& status) {
    std::vector<std::string> lines;
    for (const json& one : member_of(status, "suspended")) {
        lines.push_back(fmt::format("{}: by {} since {}: {}", text_of(one, "agent"), text_of(one, "by"),
                                    text_of(one, "since"), text_of(one, "reason")));
    }
    return lines;
}

std::string holds_text(const json& status) {
    std::string text = fmt::format("{} waiting", number_of(status, "holds_waiting"));
    std::size_t widened = 0;
    for (const json& one : member_of(status, "approvals")) {
        if (text_of(one, "kind") == "shape") ++widened;
    }
    if (widened > 0) text += fmt::format(", {} widened approvals in force (assent approvals)", widened);
    return text;
}

void print_status(const json& status) {
    const json& policy = member_of(status, "policy");
    print_warnings("GLASS BROKEN: agents are let through without an approval for each command:", glass_texts(status));
    print_warnings("SUSPENDED: these agents may do nothing until `assent resume AGENT`:", suspended_texts(status));
    print_warnings("OBSERVED ONLY: what policies would deny, hold or mask here passes:", texts_of(status, "observe"));
    print_warnings("NOT LOADED: the policies on disk have mistakes; the ones below are in force:",
                   texts_of(policy, "not_loaded"));
    print_warnings("DEGRADED: this host cannot do all that assent relies on:", texts_of(status, "degradations"));
    print_warnings("NO LOGIN: credentials cannot be read, so the sessions at their targets are refused:",
                   texts_of(status, "credentials"));
    const auto governed = texts_of(status, "governed");
    Fields fields;
    fields.add("daemon", daemon_text(status));
    fields.add("policy", policy_text(policy));
    fields.add("governed", governed.empty() ? "nothing" : joined(governed, "\n"));
    if (const auto networks = number_of(status, "networks"); networks != 0)
        fields.add("networks", fmt::format("{} besides the host's", networks));
    if (const auto accepted = texts_of(status, "accepted"); !accepted.empty())
        fields.add("accepted", joined(accepted, "\n"));
    fields.add("flows", std::to_string(number_of(status, "flows")));
    fields.add("sessions", std::to_string(number_of(status, "sessions")));
    fields.add("holds", holds_text(status));
    if (const json& attempts = member_of(status, "attempts"); attempts.is_array() && !attempts.empty())
        fields.add("attempts", attempts_text(attempts));
    if (const json& earlier = member_of(status, "sockets_before"); earlier.is_array() && !earlier.empty())
        fields.add("before", earlier_text(earlier));
    if (const json& records = member_of(status, "records"); records.is_object())
        fields.add("records", records_text(records));
    if (const json& dns = member_of(status, "dns"); dns.is_object()) {
        fields.add("lookups", lookups_text(dns));
        fields.add("resolvers", resolvers_text(dns));
    }
    if (const json& notices = member_of(status, "notices"); flag_of(notices, "is_wanted"))
        fields.add("notices", notices_text(notices));
    std::printf("%s", fields.to_text(terminal_width()).c_str());
}

// What a script should not overlook: 1.
bool is_troubled(const json& status) {
    const json& records = member_of(status, "records");
    const bool has_no_records = records.is_object() && !flag_of(records, "is_available");
    return has_no_records || !glass_texts(status).empty() || !suspended_texts(status).empty() ||
           !texts_of(member_of(status, "policy"), "not_loaded").empty() || !texts_of(status, "degradations").empty() ||
           !texts_of(status, "credentials").empty();
}

}  // namespace

void add_verb_status(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("status", "What the daemon does, and what is wrong first");
    verb->footer(R"(
What weakens protection comes first: glass that is broken or was not reviewed, agents that are suspended or only observed, policy files
that did not load, what this host cannot do, credentials that cannot be read.

Exit codes: 0 all is well, 1 glass is broken or not reviewed, an agent is suspended, or something is degraded, not loaded, cannot be read
or cannot be recorded, 3 no daemon answers.)");
    verb->callback([&context] {
        const auto status = ask_daemon(context, {{"verb", "status"}});
        if (!status) return;
        if (is_troubled(*status)) context.exit_code = exit_failed;
        if (context.is_json) {
            print_json(*status);
        } else {
            print_status(*status);
        }
    });
}

}  // namespace assent::cli
