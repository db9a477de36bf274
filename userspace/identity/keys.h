// A provider's public keys (JWKS: RFC 7517, RFC 7518, RFC 8037), and signatures by them. OpenSSL's EVP only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "identity/algorithm.h"

struct evp_pkey_st;

namespace assent::identity {

struct Key {
    enum class Type : std::uint8_t { rsa, p256, p384, ed25519 };
    Type type = Type::rsa;
    std::string id;                 // empty: it has none
    std::optional<Algorithm> only;  // what its set says it is for
    std::shared_ptr<evp_pkey_st> key;

    // May a signature of this algorithm be by this key: its type must be the algorithm's own.
    [[nodiscard]] bool fits(Algorithm algorithm) const noexcept;
};

// The keys of a set that can be used: for signatures, public, of a known type and a sane size. Others are left out, so that
// a provider may have them; a set without one that can be used is Errc::invalid. Errors: also Errc::malformed, Errc::limit.
[[nodiscard]] Result<std::vector<Key>> parse_key_set(std::string_view text);

// Is `signature` (as in a JWS: for ECDSA two numbers of the curve's size, no DER) by `key` over `signed_part`. False when
// the key does not fit. Thread: any.
[[nodiscard]] bool is_signed_by(const Key& key, Algorithm algorithm, std::string_view signed_part,
                                std::string_view signature);

}  // namespace assent::identity
