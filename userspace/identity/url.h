// Addresses of providers. Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace assent::identity {

struct Url {
    bool is_https = false;
    std::string host;  // a name in lower case, or an address; IPv6 without brackets
    std::uint16_t port = 0;
    std::string path;  // from the first '/' on, with its query; "/" when there is none

    // Nothing of it leaves this host.
    [[nodiscard]] bool is_loopback() const;
    // "https://idp.example.com:8443"
    [[nodiscard]] std::string origin() const;
};

// An absolute https or http URL without a user, a fragment and characters that have no place in one. Errc::invalid.
[[nodiscard]] Result<Url> parse_url(std::string_view text);
// The same of an issuer: without a query, and plain http only on loopback.
[[nodiscard]] Result<Url> parse_issuer(std::string_view text);

}  // namespace assent::identity
