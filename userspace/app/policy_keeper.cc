#include "app/policy_keeper.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "app/state_folder.h"
#include "base/json_writer.h"
#include "base/limits.h"
#include "policy/policy_files.h"

namespace assent::app {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> texts_of(const std::vector<policy::Diagnostic>& mistakes) {
    std::vector<std::string> texts;
    for (const auto& mistake : mistakes) texts.push_back(mistake.to_text());
    return texts;
}

std::string text_of(const std::vector<policy::Diagnostic>& mistakes) {
    return fmt::format("{}", fmt::join(texts_of(mistakes), "\n"));
}

bool is_policy_file(const fs::path& file) {
    const std::string name = file.filename().string();
    return name.ends_with(".yaml") && !name.ends_with(".test.yaml") && !name.starts_with('.');
}

}  // namespace

PolicyKeeper::PolicyKeeper(const policy::Settings& settings, std::function<Result<>(const model::RecordDraft&)> record)
    : settings_(settings), record_(std::move(record)) {}

PolicyKeeper::Loaded PolicyKeeper::load(const fs::path& directory) const {
    auto loaded = policy::Policy::load(directory, last_revision_ + 1);
    if (!loaded) return loaded;
    if (auto mistakes = (*loaded)->check_against(settings_); !mistakes.empty()) return std::unexpected(std::move(mistakes));
    return loaded;
}

Result<> PolicyKeeper::load_first() {
    const std::lock_guard lock(loading_);
    const auto last_revision = last_policy_revision(settings_.state);
    if (!last_revision) return std::unexpected(last_revision.error());
    last_revision_ = *last_revision;
    auto loaded = load(settings_.policies);
    if (loaded) return take(*loaded, "start", false);
    reject(loaded.error(), "start");
    const auto mistakes = text_of(loaded.error());
    std::error_code error;
    if (!fs::exists(last_good_folder(settings_.state), error)) {
        return fail(Errc::invalid, "the policies do not load, and there is no earlier set that did:\n" + mistakes);
    }
    auto last_good = load(last_good_folder(settings_.state));
    if (!last_good) {
        return fail(Errc::invalid, "the policies do not load, nor does the last set that did:\n" + mistakes + "\n" +
                                       text_of(last_good.error()));
    }
    spdlog::error("the policies in {} do not load; the last good set is in force", settings_.policies.string());
    return take(*last_good, "start", true);
}

Result<> PolicyKeeper::reload(const std::string& by) {
    const std::lock_guard lock(loading_);
    auto loaded = load(settings_.policies);
    if (loaded) return take(*loaded, by, false);
    reject(loaded.error(), by);
    return fail(Errc::invalid, "the policies do not load; the old ones stay in force:\n" + text_of(loaded.error()));
}

Result<> PolicyKeeper::take(const std::shared_ptr<const policy::Policy>& loaded, const std::string& by, bool is_last_good) {
    std::string members;
    JsonWriter writer(members);
    writer.member("revision", loaded->revision()).member("digest", to_hex(loaded->digest())).member("by", by);
    writer.member("last_good", is_last_good).member("files", loaded->files().size());
    std::vector<std::string> names;
    for (const auto& [name, text] : loaded->files()) names.push_back("policy/" + name);
    std::vector<model::RecordBody> bodies;
    std::size_t index = 0;
    for (const auto& [name, text] : loaded->files()) bodies.push_back({names[index++], as_bytes(text)});
    if (auto result = save_policy_revision(settings_.state, loaded->revision()); !result) return result;
    last_revision_ = loaded->revision();
    // Recorded before it judges anything: a record names the revision, and the revision can be read.
    if (auto result = record_({model::record_type::policy_loaded, {}, members, bodies, true}); !result) return result;
    if (!is_last_good) {
        if (auto result = save_last_good(settings_.state, loaded->files()); !result)
            spdlog::error("{}", result.error().message);
    }
    {
        const std::lock_guard lock(mutex_);
        current_ = loaded;
        loaded_at_ = system_clock().wall();
        if (!is_last_good) not_loaded_.clear();
    }
    spdlog::info("policy revision {} is in force: {} files, sha256 {}", loaded->revision(), loaded->files().size(),
                 to_hex(loaded->digest()));
    if (changed_) changed_(loaded);
    return {};
}

void PolicyKeeper::reject(const std::vector<policy::Diagnostic>& mistakes, const std::string& by) {
    auto texts = texts_of(mistakes);
    for (const auto& text : texts) spdlog::error("policy: {}", text);
    std::string members;
    JsonWriter(members).member("by", by).strings("mistakes", texts);
    if (const auto result = record_({model::record_type::policy_rejected, {}, members, {}, false}); !result) {
        spdlog::error("recording the refused policies: {}", result.error().message);
    }
    const std::lock_guard lock(mutex_);
    not_loaded_ = std::move(texts);
}

std::shared_ptr<const policy::Policy> PolicyKeeper::current() const {
    const std::lock_guard lock(mutex_);
    return current_;
}

nlohmann::json PolicyKeeper::describe() const {
    std::unique_lock lock(mutex_);
    const auto policy = current_;
    auto not_loaded = not_loaded_;
    const auto loaded_at = loaded_at_;
    lock.unlock();
    if (!policy) return nullptr;
    if (not_loaded.empty()) not_loaded = changes_on_disk(*policy, settings_.policies);
    std::vector<std::string> files;
    for (const auto& [name, text] : policy->files()) files.push_back(name);
    return {{"revision", policy->revision()},
            {"digest", to_hex(policy->digest())},
            {"files", files},
            {"not_loaded", not_loaded},
            {"loaded", to_rfc3339(loaded_at)}};
}

std::vector<std::string> changes_on_disk(const policy::Policy& policy, const fs::path& directory) {
    std::vector<std::string> changes;
    std::map<std::string, bool> seen;
    std::error_code error;
    for (fs::recursive_directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
        if (seen.size() > limits::policy_files || !is_policy_file(at->path()) || !at->is_regular_file(error)) continue;
        const std::string name = at->path().lexically_relative(directory).string();
        seen[name] = true;
        std::vector<policy::Diagnostic> unreadable;
        const auto text = policy::read_text_file(at->path(), name, unreadable);
        for (const auto& mistake : unreadable) changes.push_back(mistake.to_text());
        if (!text) continue;
        const auto loaded = policy.files().find(name);
        if (loaded == policy.files().end())
            changes.push_back(name + " was added and is not loaded; `assent policy reload` loads it");
        else if (loaded->second != *text)
            changes.push_back(name + " was edited and is not loaded; `assent policy reload` loads it");
    }
    for (const auto& [name, text] : policy.files()) {
        if (!seen.contains(name))
            changes.push_back(name + " was removed and is still in force until `assent policy reload`");
    }
    return changes;
}

}  // namespace assent::app
