// One identity provider (OpenID Connect): verifies its tokens, and asks its endpoints. Thread: any; every call may ask the
// provider, for at most some seconds (limits::provider_timeout, twice), and so never belongs on a flow's thread.
//
// Its keys are kept as long as Cache-Control says, within bounds. A token with a key that is not known makes it ask again,
// at most limits::provider_asks times and then once in limits::provider_refetch_interval, whoever sends how many of them.
// While the provider does not answer the keys that are known go on for limits::provider_keys_kept since they were fetched;
// then nothing verifies.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "identity/claims.h"

namespace assent::identity {

struct ProviderOptions {
    std::string issuer;        // as its tokens say it, to the letter; https, or http on loopback
    std::filesystem::path ca;  // certificates that are trusted instead of the system's
};

// What discovery says (OpenID Connect Discovery 1.0). Empty where the provider has no such endpoint.
struct Metadata {
    std::string issuer;
    std::string authorization_endpoint;
    std::string token_endpoint;
    std::string device_authorization_endpoint;
    std::string end_session_endpoint;
    std::string jwks_uri;
    bool takes_basic = true;           // client_secret_basic at the token endpoint; else client_secret_post
    bool answers_with_issuer = false;  // `iss` in the answer of an authorization (RFC 9207)
};

using FormFields = std::vector<std::pair<std::string, std::string>>;

// Who asks; without a secret it is a public client.
struct ClientLogin {
    std::string id;
    std::string secret;
};

struct PostAnswer {
    int status = 0;
    nlohmann::json body;  // an object; of an error with "error" and "error_description" (RFC 6749, section 5.2)
};

class Provider {
public:
    virtual ~Provider() = default;
    // Asks nothing yet. Errc::invalid: not an issuer. `clock` lives longer.
    [[nodiscard]] static Result<std::unique_ptr<Provider>> make(ProviderOptions options, const Clock& clock);

    [[nodiscard]] virtual const std::string& issuer() const noexcept = 0;
    // The token is from this issuer, signed by a key of its own, not expired at `now`, and is what is expected. Errors:
    // Errc::denied, Errc::malformed, Errc::limit (of the token), Errc::unavailable (the provider was needed and does not
    // answer). No message holds the token.
    [[nodiscard]] virtual Result<Claims> verify(std::string_view token, const Expected& expected, WallTime now) = 0;
    // Cached like the keys.
    [[nodiscard]] virtual Result<Metadata> metadata() = 0;
    // POSTs a form to an endpoint of metadata(). Answers of any status come back: RFC 8628 polls by errors. Errors:
    // Errc::unavailable, Errc::malformed (no JSON object).
    [[nodiscard]] virtual Result<PostAnswer> post_form(const std::string& endpoint, const FormFields& fields,
                                                       const ClientLogin& client) = 0;
    // Has it answered when it was last asked; true before that.
    [[nodiscard]] virtual bool is_answering() const = 0;
};

// The `iss` of a token whose signature nobody has checked, to find its provider by. Errors as parse_jws.
[[nodiscard]] Result<std::string> unverified_issuer(std::string_view token);

// Its `exp`, likewise.
[[nodiscard]] Result<WallTime> unverified_expiry(std::string_view token);

// "a=1&b=x%20y"
[[nodiscard]] std::string to_form(const FormFields& fields);

}  // namespace assent::identity
