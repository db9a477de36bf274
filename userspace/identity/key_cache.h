// What is known of a provider, and when it is asked again. Private to identity/.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/limits.h"
#include "identity/keys.h"
#include "identity/provider.h"
#include "identity/url.h"

namespace assent::identity {

// Immutable once it is made.
struct Known {
    Metadata metadata;
    std::vector<Key> keys;
    Moment fetched{};
    Moment fresh_until{};
};

class KeyCache {
public:
    KeyCache(ProviderOptions options, Url issuer, const Clock& clock)
        : options_(std::move(options)), issuer_(std::move(issuer)), clock_(clock) {}

    // What is fresh; else what the provider says now; else, while it does not answer, what is not too old.
    // Errc::unavailable.
    [[nodiscard]] Result<std::shared_ptr<const Known>> get();
    // What is newer than `seen`, which was not enough; `seen` itself when the provider was asked a moment ago.
    [[nodiscard]] std::shared_ptr<const Known> newer_than(const std::shared_ptr<const Known>& seen);
    [[nodiscard]] bool is_answering() const;
    [[nodiscard]] const ProviderOptions& options() const noexcept { return options_; }
    // May a token or a secret be sent there: https, or loopback for an issuer that is there itself.
    [[nodiscard]] Result<Url> endpoint(const std::string& text) const;

private:
    [[nodiscard]] std::shared_ptr<const Known> known() const;
    void ask_unless_newer(const std::shared_ptr<const Known>& seen);
    [[nodiscard]] Result<std::shared_ptr<const Known>> fetch() const;
    [[nodiscard]] Result<Metadata> fetch_metadata() const;
    [[nodiscard]] bool may_ask();

    const ProviderOptions options_;
    const Url issuer_;
    const Clock& clock_;
    std::mutex asking_;  // held while the provider is asked: one thread asks for all
    mutable std::mutex mutex_;
    std::shared_ptr<const Known> known_;  // by mutex_, and so are the next
    Error failure_{Errc::unavailable, "it was not asked yet"};
    bool is_answering_ = true;
    std::size_t asks_left_ = limits::provider_asks;  // one more comes back each limits::provider_refetch_interval
    Moment asks_counted_{};
};

// How long an answer with this Cache-Control is fresh, within bounds.
[[nodiscard]] std::chrono::seconds freshness(std::string_view cache_control);

}  // namespace assent::identity
