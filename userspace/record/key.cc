#include "record/key.h"

#include <cstdlib>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "record/files.h"

namespace assent::record {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

constexpr std::size_t pem_size_limit = 16UL * 1024;

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const auto size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(size)};
}

Result<EVP_PKEY*> read_pem(const std::filesystem::path& file, bool is_private) {
    auto text = read_small_file(file, pem_size_limit);
    if (!text) return std::unexpected(text.error());
    const Bio bio(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())), &BIO_free);
    // An empty passphrase callback: a key that is encrypted is an error, not a prompt.
    const auto no_passphrase = [](char*, int, int, void*) { return -1; };
    EVP_PKEY* key = is_private ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr)
                               : PEM_read_bio_PUBKEY(bio.get(), nullptr, no_passphrase, nullptr);
    if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(key);
        return fail(Errc::invalid,
                    fmt::format("{} is not an Ed25519 {} key in PEM", file.string(), is_private ? "private" : "public"));
    }
    return key;
}

Result<> write_halves(EVP_PKEY* key, const std::filesystem::path& file) {
    const Bio private_text(BIO_new(BIO_s_mem()), &BIO_free);
    const Bio public_text(BIO_new(BIO_s_mem()), &BIO_free);
    if (PEM_write_bio_PrivateKey(private_text.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1 ||
        PEM_write_bio_PUBKEY(public_text.get(), key) != 1) {
        return fail(Errc::internal, "OpenSSL could not write the log's key");
    }
    // The public half first: a private key without it would sign what nobody can check.
    if (auto written = replace_file(public_half(file), text_of(public_text.get()), 0644); !written) return written;
    return replace_file(file, text_of(private_text.get()), 0600);
}

}  // namespace

std::filesystem::path public_half(const std::filesystem::path& file) {
    auto out = file;
    return out.replace_extension(".pub");
}

Key::Key(Handle handle) : handle_(std::move(handle)) {
    std::size_t size = public_bytes_.size();
    if (EVP_PKEY_get_raw_public_key(handle_.get(), reinterpret_cast<unsigned char*>(public_bytes_.data()), &size) != 1)
        std::abort();
}

Result<Key> Key::load_or_make(const std::filesystem::path& file) {
    auto found = read_pem(file, true);
    if (found) return Key(Handle(*found, &EVP_PKEY_free));
    if (found.error().code != Errc::not_found) return std::unexpected(found.error());
    std::error_code error;
    std::filesystem::create_directories(file.parent_path(), error);
    Handle made(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free);
    if (made == nullptr) return fail(Errc::internal, "OpenSSL could not make an Ed25519 key");
    if (auto written = write_halves(made.get(), file); !written) return std::unexpected(written.error());
    return Key(std::move(made));
}

Result<Key> Key::load_public(const std::filesystem::path& file) {
    auto found = read_pem(file, false);
    if (!found) return std::unexpected(found.error());
    return Key(Handle(*found, &EVP_PKEY_free));
}

Signature Key::sign(Bytes message) const {
    const Context context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    Signature out{};
    std::size_t size = out.size();
    if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, handle_.get()) != 1 ||
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                       reinterpret_cast<const unsigned char*>(message.data()), message.size()) != 1) {
        std::abort();  // a checkpoint without a signature would look like tampering
    }
    return out;
}

bool Key::verifies(Bytes message, Bytes signature) const {
    const Context context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, handle_.get()) == 1 &&
           EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                            reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
}

}  // namespace assent::record
