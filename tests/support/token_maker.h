// Keys and signed tokens for tests, good and forged.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

struct evp_pkey_st;

namespace assent::support {

// A private key of its own, made anew: "RS256", "PS256", "ES256", "ES384" or "EdDSA".
class SigningKey {
public:
    SigningKey(std::string algorithm, std::string id, int rsa_bits = 2048);

    // As its provider publishes it, without `alg` and `use`.
    [[nodiscard]] nlohmann::json public_jwk() const;
    [[nodiscard]] std::string public_pem() const;
    // Of the key's algorithm, or another one of the same key type. ECDSA as JWS has it, or in DER.
    [[nodiscard]] std::string sign(std::string_view bytes, std::string_view algorithm, bool as_der = false) const;
    // {"alg", "kid", "typ": "JWT"} with what `header` changes or adds; a null takes a member away.
    [[nodiscard]] std::string token(const nlohmann::json& payload, const nlohmann::json& header = {}) const;
    [[nodiscard]] const std::string& id() const { return id_; }

private:
    std::string algorithm_;
    std::string id_;
    std::shared_ptr<evp_pkey_st> key_;
};

[[nodiscard]] std::string base64url(std::string_view bytes);
// `header` and `payload` as they are, and `signature` encoded.
[[nodiscard]] std::string compact(std::string_view header, std::string_view payload, std::string_view signature);
// HMAC with SHA-256 over what compact() would sign.
[[nodiscard]] std::string hmac_token(std::string_view header, std::string_view payload, std::string_view secret);

}  // namespace assent::support
