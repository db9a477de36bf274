// assent doctor: what this kernel can do and what agents can still open, proved by trying.
#include <algorithm>

#include <fmt/format.h>

#include "cli/daemon.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "control/client.h"
#include "kernel/attack.h"
#include "kernel/probe.h"

namespace assent::cli {
namespace {

nlohmann::json to_json(const kernel::Report& report, bool is_answering) {
    auto facts = nlohmann::json::array();
    for (const auto& fact : report.facts) {
        nlohmann::json each{{"name", fact.name}, {"value", fact.value}, {"good", fact.is_good}};
        if (!fact.is_good) each["advice"] = fact.advice;
        facts.push_back(std::move(each));
    }
    auto agents = nlohmann::json::array();
    for (const auto& kind : report.agents) {
        auto trials = nlohmann::json::array();
        for (const auto& trial : kind.trials)
            trials.push_back({{"name", trial.name},
                              {"what", trial.what},
                              {"result", kernel::to_text(trial.reach)},
                              {"detail", trial.detail},
                              {"promised", trial.is_promised}});
        agents.push_back({{"agent", kind.agent}, {"what", kind.what}, {"trials", std::move(trials)}});
    }
    return {
        {"good", report.is_good()}, {"daemon", is_answering}, {"facts", std::move(facts)}, {"agents", std::move(agents)}};
}

std::string cell(const kernel::Trial& trial) {
    if (trial.reach == kernel::Reach::refused) return "refused";
    if (trial.reach == kernel::Reach::redirected) return trial.detail.empty() ? "to assent" : "to assent*";
    const auto* text = kernel::to_text(trial.reach);
    return trial.is_promised ? fmt::format("{}!", text) : std::string(text);
}

void print_report(const kernel::Report& report, bool is_answering) {
    Fields facts;
    facts.add("assentd", is_answering ? "answers" : "does not answer");
    for (const auto& fact : report.facts)
        facts.add(fact.name, fact.is_good ? fact.value : fmt::format("{}  ({})", fact.value, fact.advice));
    fmt::print("{}\nWhat an agent can open, each tried just now:\n\n", facts.to_text(terminal_width()));
    Table table({{"WAY"}, {"RUN"}, {"UNIT"}, {"ROOT UNIT"}});
    const auto& first = report.agents.front().trials;
    for (std::size_t row = 0; row < first.size(); ++row) {
        std::vector<std::string> cells{first[row].what};
        for (const auto& kind : report.agents) cells.push_back(row < kind.trials.size() ? cell(kind.trials[row]) : "");
        table.add(std::move(cells));
    }
    table.print();
    fmt::print(
        "\nRUN: started by `assent run`. UNIT: a governed unit of an ordinary user. ROOT UNIT: one that runs as root.\n"
        "open: assent does not see it. For units, close it with the settings of agent.conf (in the documentation's "
        "examples).  open!: assent promises that it is closed, and here it is "
        "not.\n");
}

nlohmann::json to_json(const std::vector<kernel::Attack>& attacks) {
    auto out = nlohmann::json::array();
    for (const auto& each : attacks)
        out.push_back({{"way", each.way},
                       {"what", each.what},
                       {"agent", each.agent},
                       {"family", each.family},
                       {"result", each.result},
                       {"errno", each.error},
                       {"promised", each.is_promised}});
    return {{"good", std::ranges::all_of(attacks, &kernel::Attack::is_kept)}, {"attacks", std::move(out)}};
}

// What came of a way as one kind of agent; IPv4 and IPv6 in one word where they agree.
std::string attack_cell(const std::vector<kernel::Attack>& attacks, const std::string& way, const std::string& agent) {
    std::string text;
    for (const auto& each : attacks) {
        if (each.way != way || each.agent != agent) continue;
        std::string word = each.result == "redirected" ? "to assent" : each.result;
        if (each.result == "refused" && !each.error.empty()) word = each.error;
        if (!each.is_kept()) word += "!";
        if (text.empty())
            text = word;
        else if (text != word)
            text += " / " + word;
    }
    return text;
}

void print_attacks(const std::vector<kernel::Attack>& attacks) {
    Table table({{"WAY AROUND"}, {"RUN"}, {"USER"}, {"ROOT"}});
    std::string last;
    for (const auto& each : attacks) {
        if (each.way == last) continue;
        last = each.way;
        table.add({each.what, attack_cell(attacks, last, "run"), attack_cell(attacks, last, "user"),
                   attack_cell(attacks, last, "root")});
    }
    table.print();
    fmt::print(
        "\nRUN: started by `assent run`. USER: a governed unit of an ordinary user. ROOT: one that runs as root.\n"
        "An error or `dropped`: nothing left the host. opens: had, though no bytes were shown to leave. leaks: they did.\n"
        "With a `!`: assent promises that it is closed, and here it is not.\n");
}

void attack(Context& context) {
    const auto attacks = kernel::attack_host(context.settings_or_defaults().bpffs);
    if (!attacks) return context.print_error(attacks.error());
    if (context.is_json)
        print_json_line(to_json(*attacks));
    else
        print_attacks(*attacks);
    context.exit_code = std::ranges::all_of(*attacks, &kernel::Attack::is_kept) ? exit_ok : exit_failed;
}

void diagnose(Context& context) {
    const auto settings = context.settings_or_defaults();
    const auto socket = context.control_socket();
    const bool is_answering = socket && control::ask(*socket, {{"verb", "whoami"}}).has_value();
    const auto& accepts = settings.kernel;
    const auto report = kernel::probe_host(settings.bpffs, {.no_lsm = accepts.accepts_no_lsm,
                                                            .root_agents = accepts.accepts_root_agents,
                                                            .new_privileges = accepts.accepts_new_privileges});
    if (!report) return context.print_error(report.error());
    if (context.is_json)
        print_json_line(to_json(*report, is_answering));
    else
        print_report(*report, is_answering);
    context.exit_code = report->is_good() ? exit_ok : exit_failed;
}

}  // namespace

void add_verb_doctor(CLI::App& app, Context& context) {
    auto* verb =
        app.add_subcommand("doctor", "What this kernel can do and what agents can still open, proved by trying (root)");
    verb->footer(
        "Works with assentd dead or alive: it uses cgroups and programs of its own, which are gone when it ends.\n"
        "Exit code 0: all that assent promises holds here. 1: something does not.");
    const auto is_attack = std::make_shared<bool>(false);
    verb->add_flag("--attack", *is_attack,
                   "Try every way around assent, as a run, a user and root, in namespaces of its own (half a minute)");
    verb->callback([&context, is_attack] { *is_attack ? attack(context) : diagnose(context); });
}

}  // namespace assent::cli
