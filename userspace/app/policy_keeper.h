// The policy in force: loaded at start, on SIGHUP and when asked to, recorded in full at each revision. A set that does not
// load leaves the old one in force. Thread: any.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/time.h"
#include "model/record.h"
#include "policy/policy.h"

namespace assent::app {

class PolicyKeeper {
public:
    // `record` waits until the record is durable.
    PolicyKeeper(const policy::Settings& settings, std::function<Result<>(const model::RecordDraft&)> record);

    // At start. A broken set is replaced by the last good one, if there is any; otherwise Errc::invalid with every mistake.
    [[nodiscard]] Result<> load_first();
    // Errc::invalid with every mistake, one a line; the old policy stays. `by` is for the record.
    [[nodiscard]] Result<> reload(const std::string& by);
    [[nodiscard]] std::shared_ptr<const policy::Policy> current() const;
    // Called with each new policy once it is in force.
    void on_change(std::function<void(const std::shared_ptr<const policy::Policy>&)> callback) {
        changed_ = std::move(callback);
    }
    // For `status`: revision, digest, files, not_loaded, loaded.
    [[nodiscard]] nlohmann::json describe() const;

private:
    using Loaded = std::expected<std::shared_ptr<const policy::Policy>, std::vector<policy::Diagnostic>>;
    [[nodiscard]] Loaded load(const std::filesystem::path& directory) const;
    [[nodiscard]] Result<> take(const std::shared_ptr<const policy::Policy>& loaded, const std::string& by,
                                bool is_last_good);
    void reject(const std::vector<policy::Diagnostic>& mistakes, const std::string& by);

    const policy::Settings& settings_;
    std::function<Result<>(const model::RecordDraft&)> record_;
    std::function<void(const std::shared_ptr<const policy::Policy>&)> changed_;
    std::mutex loading_;  // one load at a time; guards what follows
    std::uint64_t last_revision_ = 0;
    mutable std::mutex mutex_;  // guards what follows
    std::shared_ptr<const policy::Policy> current_;
    std::vector<std::string> not_loaded_;  // mistakes of the set that was refused last
    WallTime loaded_at_;
};

// What is in the directory now and is not in the policy: sentences for `status`.
[[nodiscard]] std::vector<std::string> changes_on_disk(const policy::Policy& policy, const std::filesystem::path& directory);

}  // namespace assent::app
