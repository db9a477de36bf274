#include "base/digest.h"

#include <cstdlib>
#include <memory>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace assent {
namespace {

unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
const unsigned char* raw(const std::byte* bytes) { return reinterpret_cast<const unsigned char*>(bytes); }

}  // namespace

Digest sha256(Bytes bytes) { return sha256({bytes}); }

Digest sha256(std::initializer_list<Bytes> parts) {
    // Looking the algorithm up, and a context, cost more than the hash of a short text: each thread keeps one.
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    Digest out{};
    bool ok = algorithm != nullptr && context != nullptr && EVP_DigestInit_ex(context.get(), algorithm, nullptr) == 1;
    for (const Bytes part : parts) ok = ok && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
    ok = ok && EVP_DigestFinal_ex(context.get(), raw(out.data()), nullptr) == 1;
    if (!ok) std::abort();  // a digest that is not one must never be compared
    return out;
}

Digest hmac_sha256(Bytes key, Bytes bytes) {
    Digest out{};
    unsigned size = 0;
    if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(bytes.data()), bytes.size(), raw(out.data()),
             &size) == nullptr ||
        size != out.size()) {
        std::abort();
    }
    return out;
}

void fill_random(MutableBytes out) {
    if (RAND_bytes(raw(out.data()), static_cast<int>(out.size())) != 1) std::abort();
}

}  // namespace assent
