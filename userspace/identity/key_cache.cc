#include "identity/key_cache.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "identity/http.h"
#include "identity/strict_json.h"

namespace assent::identity {
namespace {

using nlohmann::json;

Result<HttpAnswer> get_ok(const Url& url, const std::filesystem::path& ca) {
    auto answer = http_get(url, ca);
    if (answer && answer->status != status_ok)
        return fail(Errc::unavailable, fmt::format("{}{} answered with status {}", url.origin(), url.path, answer->status));
    return answer;
}

}  // namespace

std::chrono::seconds freshness(std::string_view cache_control) {
    using std::chrono::seconds;
    constexpr std::string_view max_age = "max-age=";
    const auto least = std::chrono::duration_cast<seconds>(limits::provider_keys_fresh_least);
    if (cache_control.find("no-store") != std::string_view::npos || cache_control.find("no-cache") != std::string_view::npos)
        return least;
    const auto at = cache_control.find(max_age);
    if (at == std::string_view::npos) return limits::provider_keys_fresh_usual;
    const auto digits = cache_control.substr(at + max_age.size());
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc::result_out_of_range) return limits::provider_keys_fresh_most;
    if (error != std::errc()) return limits::provider_keys_fresh_usual;
    return std::clamp(seconds(value), least, std::chrono::duration_cast<seconds>(limits::provider_keys_fresh_most));
}

std::shared_ptr<const Known> KeyCache::known() const {
    const std::lock_guard lock(mutex_);
    return known_;
}

bool KeyCache::is_answering() const {
    const std::lock_guard lock(mutex_);
    return is_answering_;
}

Result<std::shared_ptr<const Known>> KeyCache::get() {
    auto found = known();
    const auto now = clock_.now();
    if (found && now < found->fresh_until) return found;
    const bool is_usable = found && now < found->fetched + limits::provider_keys_kept;
    if (is_usable) {
        // Whoever finds somebody else asking goes on with what there is.
        const std::unique_lock asking(asking_, std::try_to_lock);
        if (asking.owns_lock()) ask_unless_newer(found);
    } else {
        const std::lock_guard asking(asking_);
        ask_unless_newer(found);
    }
    found = known();
    if (found && clock_.now() < found->fetched + limits::provider_keys_kept) return found;
    const std::lock_guard lock(mutex_);
    return fail(Errc::unavailable,
                fmt::format("the identity provider {} cannot be asked: {}", shown_text(options_.issuer), failure_.message));
}

Result<std::shared_ptr<const Known>> KeyCache::newer_than(const std::shared_ptr<const Known>& seen) {
    const std::lock_guard asking(asking_);
    const bool was_asked = ask_unless_newer(seen);
    auto found = known();
    if (found != seen) return found;
    const std::lock_guard lock(mutex_);
    return fail(Errc::unavailable,
                was_asked ? failure_.message : "it was asked for its keys a moment ago: try again in ten seconds");
}

// With `mutex_` held.
bool KeyCache::may_ask() {
    const auto now = clock_.now();
    const auto more = static_cast<std::size_t>((now - asks_counted_) / limits::provider_refetch_interval);
    if (more > 0) {
        asks_left_ = std::min(limits::provider_asks, asks_left_ + more);
        asks_counted_ = now;
    }
    if (asks_left_ == 0) return false;
    --asks_left_;
    return true;
}

bool KeyCache::ask_unless_newer(const std::shared_ptr<const Known>& seen) {
    {
        const std::lock_guard lock(mutex_);
        if (known_ != seen) return true;
        if (!may_ask()) return false;
    }
    auto fetched = fetch();
    const std::lock_guard lock(mutex_);
    is_answering_ = fetched.has_value();
    if (fetched) {
        known_ = std::move(*fetched);
    } else {
        failure_ = std::move(fetched.error());
    }
    return true;
}

Result<Url> KeyCache::endpoint(const std::string& text) const {
    auto url = parse_url(text);
    if (!url) return url;
    if (!url->is_https && !(url->is_loopback() && !issuer_.is_https))
        return fail(Errc::invalid, fmt::format("the provider's endpoint {} is not https", shown_text(text)));
    return url;
}

Result<Metadata> KeyCache::fetch_metadata() const {
    Url url = issuer_;
    while (url.path.ends_with('/')) url.path.pop_back();
    url.path += "/.well-known/openid-configuration";
    const auto answer = get_ok(url, options_.ca);
    if (!answer) return std::unexpected(answer.error());
    const auto found = parse_strictly(answer->body);
    if (!found || !found->is_object())
        return fail(Errc::unavailable, "its discovery document is " + (found ? "not an object" : found.error().message));
    Metadata out;
    out.issuer = text_or_empty(*found, "issuer");
    if (out.issuer != options_.issuer)
        return fail(Errc::unavailable, fmt::format("its discovery document is of the issuer '{}'", shown_text(out.issuer)));
    for (const auto& [name, field] : {std::pair("jwks_uri", &out.jwks_uri),
                                      {"authorization_endpoint", &out.authorization_endpoint},
                                      {"token_endpoint", &out.token_endpoint},
                                      {"device_authorization_endpoint", &out.device_authorization_endpoint},
                                      {"end_session_endpoint", &out.end_session_endpoint}}) {
        *field = text_or_empty(*found, name);
        if (field->empty()) continue;
        if (const auto checked = endpoint(*field); !checked) return std::unexpected(checked.error());
    }
    if (out.jwks_uri.empty()) return fail(Errc::unavailable, "its discovery document names no keys ('jwks_uri')");
    const auto methods = found->find("token_endpoint_auth_methods_supported");
    if (methods != found->end() && methods->is_array())
        out.takes_basic = std::ranges::find(*methods, json("client_secret_basic")) != methods->end();
    const auto with_issuer = found->find("authorization_response_iss_parameter_supported");
    out.answers_with_issuer = with_issuer != found->end() && with_issuer->is_boolean() && with_issuer->get<bool>();
    return out;
}

Result<std::shared_ptr<const Known>> KeyCache::fetch() const {
    auto metadata = fetch_metadata();
    if (!metadata) return std::unexpected(std::move(metadata.error()));
    const auto url = endpoint(metadata->jwks_uri);
    if (!url) return std::unexpected(url.error());
    const auto answer = get_ok(*url, options_.ca);
    if (!answer) return std::unexpected(answer.error());
    auto keys = parse_key_set(answer->body);
    if (!keys) return std::unexpected(std::move(keys.error()));
    auto out = std::make_shared<Known>();
    out->metadata = std::move(*metadata);
    out->keys = std::move(*keys);
    out->fetched = clock_.now();
    out->fresh_until = out->fetched + freshness(answer->cache_control);
    return out;
}

}  // namespace assent::identity
