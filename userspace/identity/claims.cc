#include "identity/claims.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/shown_text.h"

namespace assent::identity {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr std::size_t shown_value = 200;

std::string shown(std::string_view value) { return shown_text(value.substr(0, shown_value)); }

// A NumericDate: seconds since 1970, possibly with a fraction. Nothing: it is absent.
Result<std::optional<WallTime>> time_of(const json& payload, const char* name) {
    const auto found = payload.find(name);
    if (found == payload.end()) return std::nullopt;
    const double value = found->is_number() ? found->get<double>() : -1;
    if (!(value >= 0 && value <= latest_token_time))
        return fail(Errc::malformed, fmt::format("the token's '{}' is no time", name));
    return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::duration<double>(std::floor(value))));
}

// A short text; empty when it is absent.
Result<std::string> text_of(const json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end()) return std::string();
    const auto* text = found->get_ptr<const std::string*>();
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (text == nullptr || text->empty() || text->size() > limits::token_name || std::ranges::any_of(*text, is_control))
        return fail(Errc::malformed,
                    fmt::format("the token's '{}' is not a plain text of at most {} bytes", name, limits::token_name));
    return *text;
}

Result<std::vector<std::string>> audience_of(const json& payload) {
    const auto found = payload.find("aud");
    if (found == payload.end()) return fail(Errc::denied, "the token has no audience ('aud')");
    std::vector<std::string> out;
    if (found->is_string()) out.push_back(found->get<std::string>());
    if (found->is_array() && found->size() <= limits::token_audiences) {
        for (const auto& one : *found) {
            if (!one.is_string()) return fail(Errc::malformed, "the token's 'aud' is not a list of texts");
            out.push_back(one.get<std::string>());
        }
    }
    if (out.empty()) return fail(Errc::malformed, "the token's 'aud' is not a text or a list of texts");
    return out;
}

// The chain of those who act (RFC 8693, section 4.1).
Result<std::vector<model::TokenActor>> actors_of(const json& payload) {
    std::vector<model::TokenActor> out;
    const json* at = &payload;
    while (at->contains("act")) {
        at = &at->at("act");
        if (!at->is_object()) return fail(Errc::malformed, "the token's 'act' is not an object");
        if (out.size() == limits::token_actors)
            return fail(Errc::limit, fmt::format("the token names more than {} actors", limits::token_actors));
        const auto subject = text_of(*at, "sub");
        const auto issuer = text_of(*at, "iss");
        if (!subject) return std::unexpected(subject.error());
        if (!issuer) return std::unexpected(issuer.error());
        if (subject->empty()) return fail(Errc::malformed, "an 'act' of the token has no 'sub'");
        out.push_back({*issuer, *subject});
    }
    return out;
}

Result<> check_times(Claims& claims, const Expected& expected, WallTime now) {
    const auto expires = time_of(claims.all, "exp");
    const auto not_before = time_of(claims.all, "nbf");
    const auto issued = time_of(claims.all, "iat");
    for (const auto* time : {&expires, &not_before, &issued}) {
        if (!*time) return std::unexpected(time->error());
    }
    if (!*expires) return fail(Errc::denied, "the token has no time at which it expires ('exp')");
    claims.expires = **expires;
    claims.issued = *issued;
    if (now >= claims.expires + expected.clock_skew)
        return fail(Errc::denied, fmt::format("the token expired at {}; get a new one", to_rfc3339(claims.expires)));
    if (*not_before && now + expected.clock_skew < **not_before)
        return fail(Errc::denied, fmt::format("the token is good from {} only ('nbf')", to_rfc3339(**not_before)));
    if (*issued && now + expected.clock_skew < **issued)
        return fail(Errc::denied, fmt::format("the token says that it was issued at {}, which is still to come; look at "
                                              "this host's clock",
                                              to_rfc3339(**issued)));
    if (expected.is_id_token && !*issued) return fail(Errc::denied, "the ID token does not say when it was issued ('iat')");
    return {};
}

Result<> check_audience(Claims& claims, const Expected& expected) {
    auto audience = audience_of(claims.all);
    if (!audience) return std::unexpected(std::move(audience.error()));
    claims.audience = std::move(*audience);
    if (expected.audience.empty() || std::ranges::find(claims.audience, expected.audience) == claims.audience.end())
        return fail(Errc::denied, fmt::format("the token is for '{}', not for '{}'", shown(claims.audience.front()),
                                              shown(expected.audience)));
    auto party = text_of(claims.all, "azp");
    if (!party) return std::unexpected(std::move(party.error()));
    if (expected.is_id_token) {
        const bool needs_party = claims.audience.size() > 1;
        if ((needs_party && party->empty()) || (!party->empty() && *party != expected.audience))
            return fail(Errc::denied, fmt::format("the ID token was made for another client ('azp'), not for '{}'",
                                                  shown(expected.audience)));
        auto nonce = text_of(claims.all, "nonce");
        if (!nonce || (!expected.nonce.empty() && *nonce != expected.nonce))
            return fail(Errc::denied, "the ID token does not answer this login ('nonce')");
    }
    if (party->empty()) party = text_of(claims.all, "client_id");
    if (!party) return std::unexpected(std::move(party.error()));
    claims.authorized_party = std::move(*party);
    return {};
}

// What a claim's value is to a rule; nothing: an object, null, or a number with a fraction.
std::optional<std::string> plain_text(const json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_boolean() || value.is_number_integer()) return value.dump();
    return std::nullopt;
}

void flatten(const json& object, const std::vector<std::string>& above, std::size_t& room,
             std::vector<model::TokenClaim>& out) {
    for (const auto& [name, value] : object.items()) {
        auto path = above;
        path.push_back(name);
        if (value.is_object()) {
            flatten(value, path, room, out);  // not deeper than limits::token_depth
            continue;
        }
        model::TokenClaim claim{std::move(path), {}};
        const auto add = [&](const json& one) {
            auto text = plain_text(one);
            if (text && room > 0) {
                --room;
                claim.values.push_back(std::move(*text));
            }
        };
        if (value.is_array()) {
            std::ranges::for_each(value, add);
        } else {
            add(value);
        }
        if (!claim.values.empty()) out.push_back(std::move(claim));
    }
}

}  // namespace

std::vector<std::string> Claims::texts(const std::vector<std::string>& path) const {
    const json* at = &all;
    for (const auto& name : path) {
        if (!at->is_object() || !at->contains(name)) return {};
        at = &at->at(name);
    }
    std::vector<std::string> out;
    const auto add = [&](const json& one) {
        if (auto text = plain_text(one)) out.push_back(std::move(*text));
    };
    if (at->is_array()) {
        std::ranges::for_each(*at, add);
    } else {
        add(*at);
    }
    return out;
}

std::vector<model::TokenClaim> Claims::flat() const {
    std::vector<model::TokenClaim> out;
    std::size_t room = limits::token_claims;
    flatten(all, {}, room, out);
    return out;
}

Result<Claims> check_claims(json payload, std::string_view type, std::string_view issuer, const Expected& expected,
                            WallTime now) {
    Claims claims;
    claims.all = std::move(payload);
    auto said = text_of(claims.all, "iss");
    if (!said) return std::unexpected(std::move(said.error()));
    if (*said != issuer)
        return fail(Errc::denied, fmt::format("the token is from '{}', not from '{}'", shown(*said), shown(issuer)));
    claims.issuer = std::move(*said);
    if (expected.is_id_token && type == "at+jwt")
        return fail(Errc::denied, "this is an access token, and an ID token is needed");
    if (claims.all.contains("events"))
        return fail(Errc::denied, "this is a logout or security event token, which logs nobody in");
    auto subject = text_of(claims.all, "sub");
    if (!subject) return std::unexpected(std::move(subject.error()));
    if (subject->empty()) return fail(Errc::denied, "the token names nobody ('sub')");
    claims.subject = std::move(*subject);
    if (auto checked = check_audience(claims, expected); !checked) return std::unexpected(std::move(checked.error()));
    if (auto checked = check_times(claims, expected, now); !checked) return std::unexpected(std::move(checked.error()));
    auto actors = actors_of(claims.all);
    if (!actors) return std::unexpected(std::move(actors.error()));
    claims.actors = std::move(*actors);
    return claims;
}

}  // namespace assent::identity
