// The log's Ed25519 key. The private half stays in one file, mode 0600; the public half beside it is for verifiers.
#pragma once

#include <array>
#include <filesystem>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"

struct evp_pkey_st;

namespace assent::record {

using PublicKeyBytes = std::array<std::byte, 32>;
using Signature = std::array<std::byte, 64>;

class Key {
public:
    // Reads the PEM file; makes it (and FILE.pub in place of its extension, mode 0644) when it is not there.
    [[nodiscard]] static Result<Key> load_or_make(const std::filesystem::path& file);
    // A public key, PEM: it can only verify.
    [[nodiscard]] static Result<Key> load_public(const std::filesystem::path& file);

    [[nodiscard]] Signature sign(Bytes message) const;  // only of a private key
    [[nodiscard]] bool verifies(Bytes message, Bytes signature) const;
    [[nodiscard]] const PublicKeyBytes& public_bytes() const noexcept { return public_bytes_; }

private:
    using Handle = std::unique_ptr<evp_pkey_st, void (*)(evp_pkey_st*)>;
    explicit Key(Handle handle);

    Handle handle_;
    PublicKeyBytes public_bytes_{};
};

// Where the public half of the key in `file` is.
[[nodiscard]] std::filesystem::path public_half(const std::filesystem::path& file);

}  // namespace assent::record
