#include "console/sign_in.h"

#include <algorithm>

#include "base/digest.h"
#include "base/limits.h"
#include "console/sessions.h"

namespace assent::console {
namespace {

constexpr std::size_t longest_place = 512;

bool is_place_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '-' || c == '_' ||
           c == '.' || c == '?' || c == '=' || c == '&' || c == '%' || c == '+';
}

}  // namespace

std::string place_within(std::string_view return_to) {
    const bool is_inside = return_to.starts_with('/') && !return_to.starts_with("//") && return_to.size() <= longest_place &&
                           std::ranges::all_of(return_to, is_place_character) && return_to.find("/sign-in") != 0;
    return is_inside ? std::string(return_to) : "/";
}

std::string challenge_of(std::string_view verifier) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const Digest digest = sha256(as_bytes(verifier));
    std::string out;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const std::byte byte : digest) {
        bits = (bits << 8U) | std::to_integer<std::uint32_t>(byte);
        count += 8;
        while (count >= 6) {
            count -= 6;
            out.push_back(alphabet[(bits >> count) & 63U]);
        }
    }
    if (count > 0) out.push_back(alphabet[(bits << (6 - count)) & 63U]);
    return out;
}

SignIn::SignIn(const Clock& clock, std::string public_url, std::vector<SignInProvider> providers)
    : clock_(clock), public_url_(std::move(public_url)), providers_(std::move(providers)) {}

Result<std::string> SignIn::begin(std::size_t provider, std::string_view browser, std::string_view return_to) {
    if (provider >= providers_.size()) return fail(Errc::not_found, "there is no such provider");
    const SignInProvider& chosen = providers_[provider];
    const auto metadata = chosen.provider->metadata();
    if (!metadata) return std::unexpected(metadata.error());
    if (metadata->authorization_endpoint.empty())
        return fail(Errc::unavailable, "the provider has no endpoint for people who sign in");
    Begun begun{random_id(), std::string(browser), random_id(), random_id(), place_within(return_to),
                provider,    clock_.now()};
    const std::string& endpoint = metadata->authorization_endpoint;
    std::string url = endpoint + (endpoint.find('?') == std::string::npos ? "?" : "&") +
                      identity::to_form({{"response_type", "code"},
                                         {"client_id", chosen.login.id},
                                         {"redirect_uri", redirect_uri()},
                                         {"scope", chosen.scope},
                                         {"state", begun.state},
                                         {"nonce", begun.nonce},
                                         {"code_challenge", challenge_of(begun.verifier)},
                                         {"code_challenge_method", "S256"}});
    const std::scoped_lock lock(mutex_);
    while (begun_.size() >= limits::console_sign_ins) begun_.pop_front();
    begun_.push_back(std::move(begun));
    return url;
}

std::optional<SignIn::Begun> SignIn::take(std::string_view browser, std::string_view state) {
    const std::scoped_lock lock(mutex_);
    while (!begun_.empty() && clock_.now() - begun_.front().when > limits::console_sign_in_timeout) begun_.pop_front();
    const auto found = std::ranges::find_if(
        begun_, [&](const Begun& each) { return each.state == state && each.browser == browser && !browser.empty(); });
    if (found == begun_.end()) return std::nullopt;
    Begun begun = std::move(*found);
    begun_.erase(found);
    return begun;
}

Result<identity::Tokens> SignIn::redeem(const Begun& begun, std::string_view code) const {
    const SignInProvider& chosen = providers_[begun.provider];
    return identity::redeem_code(
        *chosen.provider, chosen.login,
        {{"code", std::string(code)}, {"redirect_uri", redirect_uri()}, {"code_verifier", begun.verifier}});
}

Result<std::string> SignIn::take(Login& login, std::string id_token, bool is_renewal) const {
    const SignInProvider& chosen = providers_[login.provider];
    if (id_token.empty()) return fail(Errc::denied, "the provider gave no ID token");
    identity::Expected expected;
    expected.audience = chosen.login.id;
    expected.is_id_token = true;
    if (!is_renewal) expected.nonce = login.nonce;
    const WallTime now = clock_.wall();
    const auto claims = chosen.provider->verify(id_token, expected, now);
    if (!claims) return std::unexpected(claims.error());
    // A renewed one may have none (OpenID Connect Core 1.0, section 12.2).
    const auto nonces = claims->texts({"nonce"});
    if (!nonces.empty() && nonces != std::vector{login.nonce})
        return fail(Errc::denied, "the ID token does not answer this sign-in ('nonce')");
    if (claims->expires <= now) return fail(Errc::denied, "the provider gave an ID token that has expired");
    const auto early = std::min<WallTime::duration>(limits::console_renewed_before, (claims->expires - now) / 2);
    login.token = std::move(id_token);
    login.expires = claims->expires;
    login.renews = claims->expires - early;
    return claims->issuer + " " + claims->subject;
}

Result<> SignIn::renew(Login& login, std::string_view person) const {
    const SignInProvider& chosen = providers_[login.provider];
    auto tokens = identity::refresh_tokens(*chosen.provider, chosen.login, login.refresh_token);
    if (!tokens) return std::unexpected(std::move(tokens.error()));
    // Providers that do not rotate them give none; of those that do, the one before is good no more.
    if (!tokens->refresh_token.empty()) login.refresh_token = std::move(tokens->refresh_token);
    Login renewed = login;
    const auto whose = take(renewed, std::move(tokens->id_token), true);
    if (!whose) return std::unexpected(whose.error());
    if (*whose != person) return fail(Errc::denied, "the provider renewed the login of somebody else");
    login = std::move(renewed);
    return {};
}

Result<SignedIn> SignIn::finish(std::string_view browser, std::string_view state, std::string_view code,
                                std::string_view issuer) {
    const auto begun = take(browser, state);
    if (!begun) return fail(Errc::not_found, "this sign-in was not begun here, or too long ago");
    if (code.empty()) return fail(Errc::denied, "the provider did not sign you in");
    const SignInProvider& chosen = providers_[begun->provider];
    const auto metadata = chosen.provider->metadata();
    if (!metadata) return std::unexpected(metadata.error());
    // RFC 9207: a code of another provider is never sent to this one.
    if (issuer.empty() ? metadata->answers_with_issuer : issuer != chosen.provider->issuer())
        return fail(Errc::denied, "another provider answered than the one that was asked");
    auto tokens = redeem(*begun, code);
    if (!tokens) return std::unexpected(std::move(tokens.error()));
    Login login;
    login.refresh_token = std::move(tokens->refresh_token);
    login.nonce = begun->nonce;
    login.provider = begun->provider;
    auto person = take(login, std::move(tokens->id_token), false);
    if (!person) return std::unexpected(std::move(person.error()));
    return SignedIn{std::move(login), std::move(*person), begun->return_to};
}

}  // namespace assent::console
