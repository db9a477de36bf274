// What a server of our own shows to its clients: certificates and a key, read from files or made by an authority of ours.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tls/openssl.h"

namespace assent::tls {

class ServerIdentity {
public:
    // PEM; the leaf first, then those that lead to an authority. Errc::invalid: they cannot be read, or are not of one key.
    [[nodiscard]] static Result<ServerIdentity> read(const std::filesystem::path& certificate,
                                                     const std::filesystem::path& key);
    // A leaf for `names` by the authority in `folder` (authority.h), which is made when there is none. With an empty folder
    // the authority lives in memory only.
    [[nodiscard]] static Result<ServerIdentity> make(const std::filesystem::path& folder, std::vector<std::string> names);

    // TLS 1.2 or newer, no compression, no renegotiation, and this identity. A connection that has sent more than
    // `most_received` bytes is cut. Errc::internal.
    [[nodiscard]] Result<> set_up(SSL_CTX& context, std::size_t most_received) const;
    // SHA-256 of the leaf, as browsers show it: "AB:CD:…".
    [[nodiscard]] std::string fingerprint() const;

private:
    std::vector<CertificatePointer> certificates_;
    KeyPointer key_;
};

}  // namespace assent::tls
