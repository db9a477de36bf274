// The algorithms of signatures that are taken. No others: no `none`, nothing symmetric, nothing with SHA-1.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace assent::identity {

enum class Algorithm : std::uint8_t { rs256, ps256, es256, es384, eddsa };

// By its name in JOSE headers (RFC 7518, RFC 8037, RFC 9864).
[[nodiscard]] constexpr std::optional<Algorithm> algorithm_named(std::string_view name) noexcept {
    if (name == "RS256") return Algorithm::rs256;
    if (name == "PS256") return Algorithm::ps256;
    if (name == "ES256") return Algorithm::es256;
    if (name == "ES384") return Algorithm::es384;
    if (name == "EdDSA" || name == "Ed25519") return Algorithm::eddsa;  // the latter says the curve, too (RFC 9864)
    return std::nullopt;
}

}  // namespace assent::identity
