// What the channels of one role and name share.
#pragma once

#include <chrono>
#include <string>

#include "tls/openssl.h"
#include "tls/tls.h"

namespace assent::tls {

class Context {
public:
    Context(ContextPointer ssl_context, bool is_server, bool verifies, std::string name)
        : ssl_context_(std::move(ssl_context)), is_server_(is_server), verifies_(verifies), name_(std::move(name)) {}

    // A fresh SSL with the name, and for clients its check, set.
    [[nodiscard]] SslPointer make_ssl() const;
    [[nodiscard]] bool is_server() const noexcept { return is_server_; }

private:
    ContextPointer ssl_context_;
    bool is_server_;
    bool verifies_;
    std::string name_;
};

// For tests: a server with the given certificate.
[[nodiscard]] Result<std::shared_ptr<Context>> server_context_with(X509* certificate, EVP_PKEY* key, X509* issuer,
                                                                   const std::string& name);

}  // namespace assent::tls
