#include "policy/policy.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "policy/builtin.h"
#include "policy/check_settings.h"
#include "policy/decode.h"
#include "policy/loading.h"
#include "policy/policy_files.h"
#include "policy/scope.h"
#include "policy/summary.h"
#include "policy/targets.h"

namespace assent::policy {
namespace {

using Files = std::map<std::string, std::string>;
using Loaded = std::expected<std::shared_ptr<const Policy>, std::vector<Diagnostic>>;

// Names and texts with their sizes, so that no other set of files gives the same bytes.
Digest digest_of(const Files& files) {
    std::string framed;
    for (const auto& [name, text] : files) framed += fmt::format("{} {} {}:", name.size(), text.size(), name) + text;
    return sha256(as_bytes(framed));
}

class LoadedPolicy final : public Policy {
public:
    LoadedPolicy(std::shared_ptr<const PolicyContent> content, Files files, std::uint64_t revision)
        : content_(std::move(content)), files_(std::move(files)), digest_(digest_of(files_)), revision_(revision) {}

    std::vector<Diagnostic> check_against(const Settings& settings) const override {
        return check_content(*content_, settings);
    }
    std::uint64_t revision() const noexcept override { return revision_; }
    const Digest& digest() const noexcept override { return digest_; }
    const Files& files() const noexcept override { return files_; }
    const std::vector<Target>& targets() const noexcept override { return content_->targets; }
    const Target* target_at(const model::Endpoint& endpoint, const NameLookup& names) const override {
        return find_target(content_->targets, endpoint, names);
    }
    std::vector<std::string> agents_matching(const model::Agent& agent) const override {
        return find_agents(*content_, agent);
    }
    bool may_run(std::string_view run_name, std::string_view runner) const override {
        return may_claim(*content_, run_name, runner);
    }
    std::unique_ptr<const Scope> scope(std::vector<std::string> agents, std::string_view target,
                                       std::string_view database) const override {
        return make_scope(content_, std::move(agents), target, database, revision_);
    }
    const Approval* approval(std::string_view name) const override {
        const auto found = content_->approvals.find(std::string(name));
        return found == content_->approvals.end() ? nullptr : &found->second.approval;
    }
    const Credential* credential(std::string_view name) const override {
        const auto found = content_->credentials.find(std::string(name));
        return found == content_->credentials.end() ? nullptr : &found->second;
    }
    std::vector<std::string> observed(WallTime now) const override;
    std::vector<RuleSummary> rules_for(const std::vector<std::string>& agents) const override {
        return summarize_rules(*content_, agents);
    }
    std::vector<MaskSummary> masks_for(const std::vector<std::string>& agents) const override {
        return summarize_masks(*content_, agents);
    }
    std::vector<std::string> agent_sets() const override {
        std::vector<std::string> out;
        for (const auto& [name, items] : content_->agents) out.push_back(name);
        return out;
    }

private:
    std::shared_ptr<const PolicyContent> content_;
    Files files_;
    Digest digest_;
    std::uint64_t revision_;
};

std::string names_text(const Names& names) { return names.is_any ? "any" : fmt::format("{}", fmt::join(names.names, ", ")); }

std::vector<std::string> LoadedPolicy::observed(WallTime now) const {
    std::vector<std::string> out;
    for (const auto& observation : content_->observations) {
        if (now >= observation.until) continue;
        out.push_back(fmt::format("agents {} at targets {}: judged and recorded, passed unchanged, until {}",
                                  names_text(observation.agents), names_text(observation.targets), observation.until_text));
    }
    return out;
}

// Those of one place keep their order.
void sort_by_place(std::vector<Diagnostic>& mistakes) {
    std::multimap<std::tuple<std::string, std::uint32_t, std::uint32_t>, Diagnostic> sorted;
    for (auto& mistake : mistakes) {
        auto place = std::tuple(mistake.file, mistake.line, mistake.column);
        sorted.emplace(std::move(place), std::move(mistake));
    }
    mistakes.clear();
    for (auto& [place, mistake] : sorted) mistakes.push_back(std::move(mistake));
}

// `prefix` stands before the names of files in mistakes. Mistakes that are already known are given back with the rest.
Loaded load_files(Files files, const std::string& prefix, std::uint64_t revision, std::vector<Diagnostic> mistakes) {
    auto content = std::make_shared<PolicyContent>();
    for (const auto& [name, text] : files) {
        Reporter report(mistakes, prefix + name);
        const auto root = parse_yaml(text, report);
        if (root) decode_file(*root, *content, report, false);
    }
    if (content->has_builtin) {
        Reporter report(mistakes, "builtin");
        const auto root = parse_yaml(builtin_source(), report);
        if (root) decode_file(*root, *content, report, true);
    }
    link(*content, mistakes);
    if (!mistakes.empty()) {
        sort_by_place(mistakes);
        return std::unexpected(std::move(mistakes));
    }
    return std::make_shared<const LoadedPolicy>(std::move(content), std::move(files), revision);
}

}  // namespace

Loaded Policy::load(const std::filesystem::path& directory, std::uint64_t revision) {
    std::vector<Diagnostic> mistakes;
    auto files = read_policy_files(directory, mistakes);
    std::string prefix = directory.string();
    if (!prefix.ends_with('/')) prefix += '/';
    return load_files(std::move(files), prefix, revision, std::move(mistakes));
}

Loaded load_texts(Files files, std::uint64_t revision) { return load_files(std::move(files), "", revision, {}); }

std::string_view Policy::builtin_text() noexcept { return builtin_source(); }

}  // namespace assent::policy
