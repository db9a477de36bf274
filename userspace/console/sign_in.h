// Signing in: the authorization code flow of OpenID Connect with PKCE, state and nonce. What was begun is remembered on this
// side, bound to the browser that began it. Thread: any; finish() asks the provider.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "console/sessions.h"
#include "identity/provider.h"
#include "identity/token_endpoint.h"

namespace assent::console {

// Of the settings: one issuer whose people may sign in.
struct SignInProvider {
    std::shared_ptr<identity::Provider> provider;
    identity::ClientLogin login;
    std::string scope = "openid";  // with what makes the provider tell names and groups
};

struct SignedIn {
    Login login;         // verified
    std::string person;  // issuer and subject
    std::string return_to;
};

class SignIn {
public:
    // `public_url` as in the settings.
    SignIn(const Clock& clock, std::string public_url, std::vector<SignInProvider> providers);

    [[nodiscard]] const std::vector<SignInProvider>& providers() const noexcept { return providers_; }
    // Where to send the browser. `browser`: a random id that it keeps in a cookie. Errc::not_found: no such provider;
    // Errc::unavailable: it does not answer.
    [[nodiscard]] Result<std::string> begin(std::size_t provider, std::string_view browser, std::string_view return_to);
    // What the browser came back with. Each state is good once. Errc::not_found: it was not begun by this browser, or too
    // long ago; Errc::denied: the provider said no, or what it gave is not to be believed; Errc::unavailable.
    [[nodiscard]] Result<SignedIn> finish(std::string_view browser, std::string_view state, std::string_view code,
                                          std::string_view issuer);

    // The login anew, by its refresh token; what the provider gave instead of that is kept also after an error.
    // Errc::denied: it no longer lets this person in, or what it gave is not to be believed; others, as Errc::unavailable:
    // not now.
    [[nodiscard]] Result<> renew(Login& login, std::string_view person) const;

    [[nodiscard]] std::string redirect_uri() const { return public_url_ + "/sign-in/done"; }

private:
    struct Begun {
        std::string state;
        std::string browser;
        std::string nonce;
        std::string verifier;
        std::string return_to;
        std::size_t provider = 0;
        Moment when;
    };
    [[nodiscard]] std::optional<Begun> take(std::string_view browser, std::string_view state);
    [[nodiscard]] Result<identity::Tokens> redeem(const Begun& begun, std::string_view code) const;
    // Takes the token into the login where it is to be believed; gives whose it is.
    [[nodiscard]] Result<std::string> take(Login& login, std::string id_token, bool is_renewal) const;

    const Clock& clock_;
    std::string public_url_;
    std::vector<SignInProvider> providers_;
    std::mutex mutex_;
    std::deque<Begun> begun_;  // oldest first
};

// A place of the console itself: "/holds/h-7k2mq4"; "/" for anything that could lead elsewhere.
[[nodiscard]] std::string place_within(std::string_view return_to);

// base64url without padding, of RFC 7636.
[[nodiscard]] std::string challenge_of(std::string_view verifier);

}  // namespace assent::console
