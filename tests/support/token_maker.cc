#include "support/token_maker.h"

#include <array>
#include <cstdlib>
#include <vector>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/bytes.h"
#include "base/digest.h"

namespace assent::support {
namespace {

using nlohmann::json;

void require(bool holds) {
    if (!holds) std::abort();
}

const unsigned char* data_of(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

std::string number_of(EVP_PKEY* key, const char* name, int size = 0) {
    BIGNUM* number = nullptr;
    require(EVP_PKEY_get_bn_param(key, name, &number) == 1);
    const int bytes = size > 0 ? size : BN_num_bytes(number);
    std::string out(static_cast<std::size_t>(bytes), '\0');
    require(BN_bn2binpad(number, reinterpret_cast<unsigned char*>(out.data()), bytes) == bytes);
    BN_free(number);
    return out;
}

std::string numbers_of_der(std::string_view der, int size) {
    const unsigned char* at = data_of(der);
    ECDSA_SIG* numbers = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    require(numbers != nullptr);
    std::string out(2 * static_cast<std::size_t>(size), '\0');
    auto* to = reinterpret_cast<unsigned char*>(out.data());
    require(BN_bn2binpad(ECDSA_SIG_get0_r(numbers), to, size) == size);
    require(BN_bn2binpad(ECDSA_SIG_get0_s(numbers), to + size, size) == size);
    ECDSA_SIG_free(numbers);
    return out;
}

}  // namespace

SigningKey::SigningKey(std::string algorithm, std::string id, int rsa_bits)
    : algorithm_(std::move(algorithm)), id_(std::move(id)) {
    EVP_PKEY* made = nullptr;
    if (algorithm_ == "ES256" || algorithm_ == "ES384")
        made = EVP_EC_gen(algorithm_ == "ES256" ? "P-256" : "P-384");
    else if (algorithm_ == "EdDSA")
        made = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    else
        made = EVP_RSA_gen(static_cast<unsigned>(rsa_bits));
    require(made != nullptr);
    key_ = {made, EVP_PKEY_free};
}

json SigningKey::public_jwk() const {
    json out{{"kid", id_}};
    if (algorithm_ == "ES256" || algorithm_ == "ES384") {
        const int size = algorithm_ == "ES256" ? 32 : 48;
        out["kty"] = "EC";
        out["crv"] = algorithm_ == "ES256" ? "P-256" : "P-384";
        out["x"] = base64url(number_of(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, size));
        out["y"] = base64url(number_of(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, size));
    } else if (algorithm_ == "EdDSA") {
        std::array<unsigned char, 32> bytes{};
        std::size_t size = bytes.size();
        require(EVP_PKEY_get_raw_public_key(key_.get(), bytes.data(), &size) == 1);
        out["kty"] = "OKP";
        out["crv"] = "Ed25519";
        out["x"] = base64url({reinterpret_cast<const char*>(bytes.data()), size});
    } else {
        out["kty"] = "RSA";
        out["n"] = base64url(number_of(key_.get(), OSSL_PKEY_PARAM_RSA_N));
        out["e"] = base64url(number_of(key_.get(), OSSL_PKEY_PARAM_RSA_E));
    }
    return out;
}

std::string SigningKey::public_pem() const {
    BIO* memory = BIO_new(BIO_s_mem());
    require(PEM_write_bio_PUBKEY(memory, key_.get()) == 1);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(memory, &bytes);
    std::string out(bytes, static_cast<std::size_t>(size));
    BIO_free(memory);
    return out;
}

std::string SigningKey::sign(std::string_view bytes, std::string_view algorithm, bool as_der) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* of_key = nullptr;
    const EVP_MD* hash = algorithm == "EdDSA" ? nullptr : algorithm == "ES384" ? EVP_sha384() : EVP_sha256();
    require(EVP_DigestSignInit(context, &of_key, hash, nullptr, key_.get()) == 1);
    if (algorithm == "PS256") {
        require(EVP_PKEY_CTX_set_rsa_padding(of_key, RSA_PKCS1_PSS_PADDING) == 1);
        require(EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, RSA_PSS_SALTLEN_DIGEST) == 1);
    }
    std::size_t size = 0;
    require(EVP_DigestSign(context, nullptr, &size, data_of(bytes), bytes.size()) == 1);
    std::string out(size, '\0');
    require(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(out.data()), &size, data_of(bytes), bytes.size()) == 1);
    out.resize(size);
    EVP_MD_CTX_free(context);
    const bool is_ecdsa = algorithm == "ES256" || algorithm == "ES384";
    return is_ecdsa && !as_der ? numbers_of_der(out, algorithm == "ES256" ? 32 : 48) : out;
}

std::string SigningKey::token(const json& payload, const json& header) const {
    json whole{{"alg", algorithm_}, {"kid", id_}, {"typ", "JWT"}};
    if (header.is_object()) whole.merge_patch(header);
    const std::string signed_part = base64url(whole.dump()) + "." + base64url(payload.dump());
    return signed_part + "." + base64url(sign(signed_part, algorithm_));
}

std::string base64url(std::string_view bytes) {
    std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), data_of(bytes), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    while (out.ends_with('=')) out.pop_back();
    for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return out;
}

std::string compact(std::string_view header, std::string_view payload, std::string_view signature) {
    return base64url(header) + "." + base64url(payload) + "." + base64url(signature);
}

std::string hmac_token(std::string_view header, std::string_view payload, std::string_view secret) {
    const std::string signed_part = base64url(header) + "." + base64url(payload);
    const Digest digest = hmac_sha256(as_bytes(secret), as_bytes(signed_part));
    return signed_part + "." + base64url(as_text(digest));
}

}  // namespace assent::support
