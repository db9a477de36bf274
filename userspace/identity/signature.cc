#include <algorithm>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "identity/keys.h"
#include "identity/openssl.h"

namespace assent::identity {
namespace {

// What OpenSSL wants of two numbers of `size` bytes each (RFC 7518, section 3.4). Empty: they are none.
std::string to_der(std::string_view signature, std::size_t size) {
    if (signature.size() != 2 * size) return {};
    Owned<BIGNUM> r(BN_bin2bn(data_of(signature), static_cast<int>(size), nullptr));
    Owned<BIGNUM> s(BN_bin2bn(data_of(signature) + size, static_cast<int>(size), nullptr));
    const Owned<ECDSA_SIG> numbers(ECDSA_SIG_new());
    if (!r || !s || !numbers || ECDSA_SIG_set0(numbers.get(), r.get(), s.get()) != 1) return {};
    static_cast<void>(r.release());
    static_cast<void>(s.release());
    unsigned char* bytes = nullptr;
    const int length = i2d_ECDSA_SIG(numbers.get(), &bytes);
    if (length <= 0) return {};
    std::string out(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
    OPENSSL_free(bytes);
    return out;
}

const EVP_MD* hash_of(Algorithm algorithm) {
    if (algorithm == Algorithm::eddsa) return nullptr;  // it hashes by itself
    return algorithm == Algorithm::es384 ? EVP_sha384() : EVP_sha256();
}

bool sets_padding(EVP_PKEY_CTX* context, Algorithm algorithm) {
    if (algorithm == Algorithm::rs256) return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
    if (algorithm != Algorithm::ps256) return true;
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1;
}

}  // namespace

bool is_signed_by(const Key& key, Algorithm algorithm, std::string_view signed_part, std::string_view signature) {
    if (!key.key || !key.fits(algorithm)) return false;
    std::string der;
    if (key.type == Key::Type::p256 || key.type == Key::Type::p384) {
        der = to_der(signature, key.type == Key::Type::p256 ? 32 : 48);
        signature = der;
    } else if (signature.size() != static_cast<std::size_t>(EVP_PKEY_get_size(key.key.get()))) {
        return false;
    }
    if (signature.empty()) return false;
    const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* of_key = nullptr;
    const bool is_good =
        context && EVP_DigestVerifyInit(context.get(), &of_key, hash_of(algorithm), nullptr, key.key.get()) == 1 &&
        sets_padding(of_key, algorithm) &&
        EVP_DigestVerify(context.get(), data_of(signature), signature.size(), data_of(signed_part), signed_part.size()) == 1;
    ERR_clear_error();  // a signature that is not good leaves errors behind, which TLS on this thread would find
    return is_good;
}

}  // namespace assent::identity
