// Tokens, key sets and issuers, from strangers. The first byte says which; whatever comes is taken whole or refused.
#include <cstdlib>

#include "base/limits.h"
#include "identity/claims.h"
#include "identity/jws.h"
#include "identity/keys.h"
#include "identity/provider.h"
#include "identity/url.h"

namespace {

using namespace assent;

void try_token(std::string_view text) {
    auto jws = identity::parse_jws(text);
    const auto issuer = identity::unverified_issuer(text);
    if (!jws) {
        if (issuer) std::abort();
        return;
    }
    if (jws->signature.empty() || !jws->payload.is_object() || !text.starts_with(jws->signed_part)) std::abort();
    const std::string said = issuer.value_or("https://idp.example");
    const WallTime now(std::chrono::seconds(1'800'000'000));
    for (const bool is_id_token : {false, true}) {
        const auto claims = identity::check_claims(jws->payload, jws->type, said, {"assent", is_id_token, {}, {}}, now);
        if (!claims) continue;
        if (claims->issuer != said || claims->subject.empty() || claims->audience.empty() || claims->expires <= now)
            std::abort();
        std::size_t values = 0;
        for (const auto& claim : claims->flat()) values += claim.values.size();
        if (values > limits::token_claims || claims->actors.size() > limits::token_actors) std::abort();
    }
}

void try_keys(std::string_view text) {
    const auto keys = identity::parse_key_set(text);
    if (!keys) return;
    if (keys->empty() || keys->size() > limits::provider_keys) std::abort();
    for (const auto& key : *keys) {
        for (const auto algorithm : {identity::Algorithm::rs256, identity::Algorithm::ps256, identity::Algorithm::es256,
                                     identity::Algorithm::es384, identity::Algorithm::eddsa}) {
            if (identity::is_signed_by(key, algorithm, "x", text.substr(0, 64))) std::abort();
        }
    }
}

void try_issuer(std::string_view text) {
    const auto url = identity::parse_issuer(text);
    if (!url) return;
    if (url->host.empty() || url->port == 0 || !url->path.starts_with('/')) std::abort();
    if (!url->is_https && !url->is_loopback()) std::abort();
    const auto again = identity::parse_url(url->origin() + url->path);
    if (!again || again->origin() != url->origin() || again->path != url->path) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (data[0] == 'k') {
        try_keys(rest);
    } else if (data[0] == 'u') {
        try_issuer(rest);
    } else {
        try_token(rest);
    }
    return 0;
}
