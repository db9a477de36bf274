#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "base/time.h"
#include "cli/daemon.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "record/verify.h"

namespace assent::cli {
namespace {

using nlohmann::json;

struct VerifyOptions {
    std::string folder;
    std::string key;
    std::string checkpoint;
};

// Folder and key that were not named are the daemon's.
std::optional<record::VerifyOptions> complete(Context& context, const VerifyOptions& options) {
    record::VerifyOptions out;
    if (options.folder.empty() || options.key.empty()) {
        const auto settings = context.settings();
        if (!settings) return std::nullopt;
        out.folder = settings->state / "records";
        out.public_key = settings->state / "keys/log.pub";
    }
    if (!options.folder.empty()) out.folder = options.folder;
    if (!options.key.empty()) out.public_key = options.key;
    if (!options.checkpoint.empty()) out.checkpoint = options.checkpoint;
    return out;
}

// On a terminal, once it has taken a second.
class Progress {
public:
    void operator()(std::uint64_t done, std::uint64_t all) {
        const Moment now = std::chrono::steady_clock::now();
        if (!is_terminal_ || all == 0 || now - shown_ < std::chrono::milliseconds(200) ||
            now - begun_ < std::chrono::seconds(1))
            return;
        shown_ = now;
        std::fprintf(stderr, "\r%3llu%% of %llu MiB", static_cast<unsigned long long>(done * 100 / all),
                     static_cast<unsigned long long>(all >> 20U));
        std::fflush(stderr);
    }
    void clear() const {
        if (shown_ != Moment{}) std::fputs("\r\x1b[K", stderr);
    }

private:
    bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
    Moment begun_ = std::chrono::steady_clock::now();
    Moment shown_{};
};

json finding_json(const record::Finding& finding) {
    return {{"wrong", record::name_of(finding.wrong)},
            {"record", finding.seq},
            {"last_record", finding.last_seq},
            {"time", shown_text(finding.time)},
            {"session", shown_text(finding.session)},
            {"segment", finding.segment},
            {"offset", finding.offset},
            {"detail", shown_text(finding.detail)}};
}

json report_json(const record::VerifyReport& report) {
    json out = {{"intact", !report.finding},
                {"origin", shown_text(report.origin)},
                {"records", report.records},
                {"segments", report.segments},
                {"pruned_records", report.pruned_records},
                {"checkpoints", report.checkpoints},
                {"covered_records", report.covered_records},
                {"bodies", report.bodies},
                {"erased_bodies", report.erased_bodies},
                {"size_bytes", report.size_bytes},
                {"root", report.root},
                {"notes", json::array()},
                {"cannot_exclude", report.cannot_exclude}};
    for (const auto& note : report.notes) out["notes"].push_back(shown_text(note));
    if (report.finding) out["finding"] = finding_json(*report.finding);
    return out;
}

std::string finding_text(const record::Finding& finding) {
    Fields fields;
    const std::string which = finding.last_seq > finding.seq ? fmt::format("one of {} to {}", finding.seq, finding.last_seq)
                                                             : fmt::format("{}", finding.seq);
    fields.add("first wrong record", finding.wrong == record::Wrong::edited ? which : fmt::format("{}", finding.seq));
    fields.add("what", record::name_of(finding.wrong));
    fields.add("how it shows", finding.detail);
    if (!finding.time.empty()) fields.add("time", finding.time);
    if (!finding.session.empty()) fields.add("session", finding.session);
    fields.add("where", fmt::format("{} at offset {}", finding.segment, finding.offset));
    return fields.to_text(terminal_width());
}

void print_report(const record::VerifyReport& report) {
    if (report.finding) {
        std::printf("TAMPERED: the records before number %llu fit, and then:\n",
                    static_cast<unsigned long long>(report.finding->seq));
        std::fputs(finding_text(*report.finding).c_str(), stdout);
    } else {
        Fields fields;
        fields.add("intact", fmt::format("{} records", report.records));
        fields.add("origin", report.origin);
        fields.add("root", report.root);
        fields.add(
            "checked",
            fmt::format("segments: {}, checkpoints: {}, bodies: {}{}", report.segments, report.checkpoints, report.bodies,
                        report.erased_bodies == 0 ? "" : fmt::format(" ({} erased)", report.erased_bodies)));
        std::fputs(fields.to_text(terminal_width()).c_str(), stdout);
    }
    for (const auto& note : report.notes) std::printf("note: %s\n", shown_text(note).c_str());
    if (report.finding) return;
    std::printf("This check cannot exclude:\n");
    for (const auto& open : report.cannot_exclude) std::printf("  - %s\n", open.c_str());
}

void verify(Context& context, const VerifyOptions& options) {
    auto complete_options = complete(context, options);
    if (!complete_options) return;
    Progress progress;
    complete_options->progress = [&progress](std::uint64_t done, std::uint64_t all) { progress(done, all); };
    const auto report = record::verify(*complete_options);
    progress.clear();
    if (!report) {
        Error error = report.error();
        if (::geteuid() != 0 && ::access(complete_options->public_key.c_str(), R_OK) != 0 && errno == EACCES)
            error.message += "; run it as root, or give --folder and --key of a copy";
        context.print_error(error);
        context.exit_code = exit_usage;
        return;
    }
    if (context.is_json)
        print_json(report_json(*report));
    else
        print_report(*report);
    if (report->finding) context.exit_code = exit_failed;
}

}  // namespace

void add_verb_verify(CLI::App& app, Context& context) {
    const auto options = std::make_shared<VerifyOptions>();
    CLI::App* verb = app.add_subcommand("verify", "Check that the log is what was written");
    verb->add_option("--folder", options->folder, "The log; default: this host's, in `state` of the settings")
        ->type_name("DIR");
    verb->add_option("--key", options->key, "The log's public key, PEM; default: this host's")->type_name("FILE.pub");
    verb->add_option("--checkpoint", options->checkpoint, "A checkpoint that was kept elsewhere: the log has to continue it")
        ->type_name("FILE");
    verb->footer(R"(
Needs the folder and the public key only: no daemon, no network. Names the first record that was edited, removed, moved or cut
off, and says what it cannot exclude. Checkpoints to keep elsewhere are in the journal (ASSENT_CHECKPOINT=) and in the folder.

Examples:
  assent verify
  assent verify --folder /mnt/evidence/records --key log.pub --checkpoint kept-last-week

Exit codes: 0 intact, 1 tampered, 2 the check could not be made.)");
    verb->callback([&context, options] { verify(context, *options); });
}

}  // namespace assent::cli
