#include "identity/keys.h"

#include <algorithm>

#include <nlohmann/json.hpp>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/limits.h"
#include "identity/encoding.h"
#include "identity/openssl.h"
#include "identity/strict_json.h"

namespace assent::identity {
namespace {

using nlohmann::json;

using KeyPointer = std::shared_ptr<evp_pkey_st>;

constexpr int exponent_bits_most = 64;

// A member of base64url; empty when it is missing or wrong.
std::string bytes_of(const json& jwk, const char* name) {
    const auto found = jwk.find(name);
    if (found == jwk.end() || !found->is_string()) return {};
    return from_base64url(found->get_ref<const std::string&>()).value_or(std::string());
}

KeyPointer make_key(const char* type, OSSL_PARAM_BLD* builder) {
    const Owned<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder));
    const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* made = nullptr;
    if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
        return nullptr;
    KeyPointer key(made, EVP_PKEY_free);
    const Owned<EVP_PKEY_CTX> checking(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    return checking && EVP_PKEY_public_check(checking.get()) == 1 ? key : nullptr;
}

KeyPointer rsa_key(const json& jwk) {
    const std::string modulus = bytes_of(jwk, "n");
    const std::string exponent = bytes_of(jwk, "e");
    if (modulus.empty() || exponent.empty() || modulus.size() > limits::rsa_bits_most / 8 + 1) return nullptr;
    const Owned<BIGNUM> n(BN_bin2bn(data_of(modulus), static_cast<int>(modulus.size()), nullptr));
    const Owned<BIGNUM> e(BN_bin2bn(data_of(exponent), static_cast<int>(exponent.size()), nullptr));
    if (!n || !e) return nullptr;
    const auto bits = static_cast<std::size_t>(BN_num_bits(n.get()));
    if (bits < limits::rsa_bits_least || bits > limits::rsa_bits_most) return nullptr;
    if (BN_is_odd(e.get()) == 0 || BN_is_one(e.get()) == 1 || BN_num_bits(e.get()) > exponent_bits_most) return nullptr;
    const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1)
        return nullptr;
    return make_key("RSA", builder.get());
}

KeyPointer ec_key(const json& jwk, const char* group, std::size_t size) {
    const std::string x = bytes_of(jwk, "x");
    const std::string y = bytes_of(jwk, "y");
    if (x.size() != size || y.size() != size) return nullptr;
    const std::string point = "\x04" + x + y;
    const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    if (!builder || OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, group, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1)
        return nullptr;
    return make_key("EC", builder.get());
}

KeyPointer ed25519_key(const json& jwk) {
    const std::string x = bytes_of(jwk, "x");
    return {EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, data_of(x), x.size()), EVP_PKEY_free};
}

bool is_for_signatures(const json& jwk) {
    if (jwk.contains("d") || jwk.contains("k")) return false;  // a key that is not public any more
    if (jwk.contains("use") && text_or_empty(jwk, "use") != "sig") return false;
    const auto operations = jwk.find("key_ops");
    if (operations == jwk.end()) return true;
    return operations->is_array() && std::ranges::find(*operations, json("verify")) != operations->end();
}

std::optional<Key> read_key(const json& jwk) {
    if (!jwk.is_object() || !is_for_signatures(jwk)) return std::nullopt;
    Key out;
    out.id = text_or_empty(jwk, "kid");
    if (out.id.size() > limits::token_name) return std::nullopt;
    const std::string kind = text_or_empty(jwk, "kty");
    const std::string curve = text_or_empty(jwk, "crv");
    if (kind == "RSA") {
        out.type = Key::Type::rsa;
        out.key = rsa_key(jwk);
    } else if (kind == "EC" && curve == "P-256") {
        out.type = Key::Type::p256;
        out.key = ec_key(jwk, "P-256", 32);
    } else if (kind == "EC" && curve == "P-384") {
        out.type = Key::Type::p384;
        out.key = ec_key(jwk, "P-384", 48);
    } else if (kind == "OKP" && curve == "Ed25519") {
        out.type = Key::Type::ed25519;
        out.key = ed25519_key(jwk);
    }
    if (!out.key) return std::nullopt;
    if (jwk.contains("alg")) {
        out.only = algorithm_named(text_or_empty(jwk, "alg"));
        if (!out.only || !out.fits(*out.only)) return std::nullopt;
    }
    return out;
}

}  // namespace

bool Key::fits(Algorithm algorithm) const noexcept {
    if (only && *only != algorithm) return false;
    switch (algorithm) {
        case Algorithm::rs256:
        case Algorithm::ps256:
            return type == Type::rsa;
        case Algorithm::es256:
            return type == Type::p256;
        case Algorithm::es384:
            return type == Type::p384;
        case Algorithm::eddsa:
            return type == Type::ed25519;
    }
    return false;
}

Result<std::vector<Key>> parse_key_set(std::string_view text) {
    if (text.size() > limits::provider_answer) return fail(Errc::limit, "the provider's key set is too large");
    const auto set = parse_strictly(text);
    if (!set) return fail(set.error().code, "the provider's key set is " + set.error().message);
    const auto keys = set->is_object() ? set->find("keys") : set->end();
    if (!set->is_object() || keys == set->end() || !keys->is_array())
        return fail(Errc::malformed, "the provider's key set has no list of keys");
    std::vector<Key> out;
    for (const auto& jwk : *keys) {
        if (out.size() >= limits::provider_keys) break;
        if (auto key = read_key(jwk)) out.push_back(std::move(*key));
    }
    ERR_clear_error();  // of keys that were left out
    if (out.empty()) return fail(Errc::invalid, "the provider's key set has no key that can be used");
    return out;
}

}  // namespace assent::identity
