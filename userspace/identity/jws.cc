#include "identity/jws.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "identity/encoding.h"
#include "identity/strict_json.h"

namespace assent::identity {
namespace {

using nlohmann::json;
constexpr std::size_t shown_name = 32;

std::string shown_short(std::string_view name) { return shown_text(name.substr(0, shown_name)); }

Result<json> part(std::string_view text, std::string_view what) {
    const auto bytes = from_base64url(text);
    if (!bytes) return fail(bytes.error().code, fmt::format("the token's {} is {}", what, bytes.error().message));
    auto value = parse_strictly(*bytes);
    if (!value) return fail(value.error().code, fmt::format("the token's {} is {}", what, value.error().message));
    if (!value->is_object()) return fail(Errc::malformed, fmt::format("the token's {} is not a JSON object", what));
    return value;
}

// Media types compare without regard to case, and may leave out "application/" (RFC 7515, section 4.1.9).
std::string type_of(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    constexpr std::string_view prefix = "application/";
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

Result<> read_header(const json& header, Jws& out) {
    for (const char* name : {"crit", "b64", "cty", "enc", "zip"}) {
        if (header.contains(name))
            return fail(Errc::malformed, fmt::format("the token's header has '{}', which is not supported", name));
    }
    const auto text = [&](const char* name) -> const std::string* {
        const auto found = header.find(name);
        return found == header.end() ? nullptr : found->get_ptr<const std::string*>();
    };
    const std::string* algorithm = text("alg");
    if (algorithm == nullptr) return fail(Errc::malformed, "the token's header names no algorithm");
    const auto known = algorithm_named(*algorithm);
    if (!known)
        return fail(Errc::malformed,
                    fmt::format("the token's algorithm '{}' is not one of RS256, PS256, ES256, ES384 and EdDSA",
                                shown_short(*algorithm)));
    out.algorithm = *known;
    if (header.contains("kid")) {
        const std::string* key_id = text("kid");
        if (key_id == nullptr || key_id->size() > limits::token_name)
            return fail(Errc::malformed, "the token's header has a 'kid' that is not a short text");
        out.key_id = *key_id;
    }
    if (!header.contains("typ")) return {};
    const std::string* type = text("typ");
    if (type == nullptr) return fail(Errc::malformed, "the token's header has a 'typ' that is not a text");
    out.type = type_of(*type);
    if (out.type != "jwt" && out.type != "at+jwt")
        return fail(Errc::malformed, fmt::format("the token's type is '{}', not JWT or at+jwt", shown_short(*type)));
    return {};
}

}  // namespace

Result<Jws> parse_jws(std::string_view token) {
    if (token.empty()) return fail(Errc::malformed, "the token is empty");
    if (token.size() > limits::token_size)
        return fail(Errc::limit, fmt::format("the token is larger than {} bytes", limits::token_size));
    std::array<std::size_t, 2> dots{};
    dots[0] = token.find('.');
    dots[1] = dots[0] == std::string_view::npos ? dots[0] : token.find('.', dots[0] + 1);
    if (dots[1] == std::string_view::npos || token.find('.', dots[1] + 1) != std::string_view::npos)
        return fail(Errc::malformed, "the token is not a signed JWT (three parts with dots between)");
    const auto header = part(token.substr(0, dots[0]), "header");
    if (!header) return std::unexpected(header.error());
    Jws out;
    if (auto read = read_header(*header, out); !read) return std::unexpected(std::move(read.error()));
    auto payload = part(token.substr(dots[0] + 1, dots[1] - dots[0] - 1), "payload");
    if (!payload) return std::unexpected(std::move(payload.error()));
    auto signature = from_base64url(token.substr(dots[1] + 1));
    if (!signature) return fail(Errc::malformed, "the token's signature is " + signature.error().message);
    if (signature->empty()) return fail(Errc::malformed, "the token has no signature");
    out.payload = std::move(*payload);
    out.signature = std::move(*signature);
    out.signed_part = token.substr(0, dots[1]);
    return out;
}

}  // namespace assent::identity
