#include "identity/provider.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "identity/encoding.h"
#include "identity/http.h"
#include "identity/jws.h"
#include "identity/key_cache.h"
#include "identity/strict_json.h"

namespace assent::identity {
namespace {

bool is_signed_by_one_of(const std::vector<Key>& keys, const Jws& jws, bool& is_key_known) {
    // A token without a key's id may be by any key that fits its algorithm.
    return std::ranges::any_of(keys, [&](const Key& key) {
        if (jws.key_id && key.id != *jws.key_id) return false;
        is_key_known = is_key_known || jws.key_id;
        return is_signed_by(key, jws.algorithm, jws.signed_part, jws.signature);
    });
}

class OpenIdProvider final : public Provider {
public:
    OpenIdProvider(ProviderOptions options, Url url, const Clock& clock)
        : cache_(std::move(options), std::move(url), clock) {}

    const std::string& issuer() const noexcept override { return cache_.options().issuer; }
    Result<Claims> verify(std::string_view token, const Expected& expected, WallTime now) override;
    Result<Metadata> metadata() override {
        auto known = cache_.get();
        if (!known) return std::unexpected(std::move(known.error()));
        return (*known)->metadata;
    }
    Result<PostAnswer> post_form(const std::string& endpoint, const FormFields& fields, const ClientLogin& client) override;
    bool is_answering() const override { return cache_.is_answering(); }

private:
    KeyCache cache_;
};

Result<Claims> OpenIdProvider::verify(std::string_view token, const Expected& expected, WallTime now) {
    auto jws = parse_jws(token);
    if (!jws) return std::unexpected(std::move(jws.error()));
    // Before the signature, so that what could never be taken costs the provider nothing.
    auto claims = check_claims(std::move(jws->payload), jws->type, issuer(), expected, now);
    if (!claims) return claims;
    const auto known = cache_.get();
    if (!known) return std::unexpected(known.error());
    bool is_key_known = false;
    if (is_signed_by_one_of((*known)->keys, *jws, is_key_known)) return claims;
    if (!is_key_known) {
        const auto newer = cache_.newer_than(*known);
        if (!newer)
            return fail(Errc::unavailable, fmt::format("the token is signed by a key that {} is not known to have, and {}",
                                                       shown_text(issuer()), newer.error().message));
        if (is_signed_by_one_of((*newer)->keys, *jws, is_key_known)) return claims;
    }
    if (!is_key_known && jws->key_id)
        return fail(Errc::denied, fmt::format("the token is signed by a key that {} does not have", shown_text(issuer())));
    return fail(Errc::denied, fmt::format("the token's signature is not one of {}", shown_text(issuer())));
}

Result<PostAnswer> OpenIdProvider::post_form(const std::string& endpoint, const FormFields& fields,
                                             const ClientLogin& client) {
    const auto known = cache_.get();
    if (!known) return std::unexpected(known.error());
    const auto url = cache_.endpoint(endpoint);
    if (!url) return std::unexpected(url.error());
    HttpForm form;
    FormFields all = fields;
    if (client.secret.empty()) {
        if (!client.id.empty()) all.emplace_back("client_id", client.id);
    } else if ((*known)->metadata.takes_basic) {
        // Encoded first (RFC 6749, section 2.3.1).
        form.authorization = "Basic " + to_base64(form_text(client.id) + ":" + form_text(client.secret));
    } else {
        all.emplace_back("client_id", client.id);
        all.emplace_back("client_secret", client.secret);
    }
    form.body = to_form(all);
    const auto answer = http_post(*url, form, cache_.options().ca);
    if (!answer) return std::unexpected(answer.error());
    auto body = parse_strictly(answer->body);
    if (!body || !body->is_object())
        return fail(answer->status >= status_server_error ? Errc::unavailable : Errc::malformed,
                    fmt::format("{} answered with status {} and no JSON object", url->origin(), answer->status));
    return PostAnswer{answer->status, std::move(*body)};
}

}  // namespace

Result<std::unique_ptr<Provider>> Provider::make(ProviderOptions options, const Clock& clock) {
    auto url = parse_issuer(options.issuer);
    if (!url) return std::unexpected(std::move(url.error()));
    return std::make_unique<OpenIdProvider>(std::move(options), std::move(*url), clock);
}

Result<std::string> unverified_issuer(std::string_view token) {
    auto jws = parse_jws(token);
    if (!jws) return std::unexpected(std::move(jws.error()));
    const auto found = jws->payload.find("iss");
    if (found == jws->payload.end() || !found->is_string())
        return fail(Errc::malformed, "the token names no issuer ('iss')");
    return found->get<std::string>();
}

Result<WallTime> unverified_expiry(std::string_view token) {
    auto jws = parse_jws(token);
    if (!jws) return std::unexpected(std::move(jws.error()));
    const auto found = jws->payload.find("exp");
    if (found == jws->payload.end() || !found->is_number()) return fail(Errc::malformed, "the token says no 'exp'");
    const auto value = found->get<double>();
    if (!(value >= 0 && value <= latest_token_time)) return fail(Errc::malformed, "the token's 'exp' is no time");
    return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::duration<double>(value)));
}

std::string to_form(const FormFields& fields) {
    std::string out;
    for (const auto& [name, value] : fields) {
        if (!out.empty()) out.push_back('&');
        out += form_text(name) + "=" + form_text(value);
    }
    return out;
}

}  // namespace assent::identity
