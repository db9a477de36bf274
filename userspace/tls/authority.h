// assent's own certificate authority: an EC P-256 key and certificate in a folder, and leaf certificates for names of
// targets, made when they are first asked for. Leaves and their keys live in memory only.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tls/openssl.h"

namespace assent::tls {

struct Leaf {
    KeyPointer key;
    CertificatePointer certificate;
};

struct LeafOptions {
    std::vector<std::string> names;  // DNS names and IP addresses, at least one; the first is the common name
    long valid_from_s = -3600;       // relative to now; clocks of agents may be behind
    long valid_until_s = 90L * 24 * 3600;
};

class Authority {
public:
    // Opens the authority in `folder` (0700), or makes it there: ca.pem may be read by everybody who can reach it, ca.key by
    // its owner only (0600). Errors: Errc::io; Errc::invalid when what is there is not a key and its certificate.
    [[nodiscard]] static Result<Authority> open(const std::filesystem::path& folder);

    [[nodiscard]] Result<Leaf> issue(const LeafOptions& options) const;
    [[nodiscard]] X509* certificate() const noexcept { return certificate_.get(); }

private:
    [[nodiscard]] static Result<Authority> make(const std::filesystem::path& folder);
    [[nodiscard]] static Result<Authority> read(const std::filesystem::path& folder);

    KeyPointer key_;
    CertificatePointer certificate_;
};

}  // namespace assent::tls
