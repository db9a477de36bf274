// HTTPS for the console: sockets, TLS and the syntax of HTTP/1.1, by cpp-httplib; what is answered comes from a function.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "console/exchange.h"
#include "tls/server_identity.h"

namespace assent::console {

class HttpServer {
public:
    virtual ~HttpServer() = default;
    // `handle` is called on up to limits::console_connections threads at once. Listens when it returns. Errc::unavailable:
    // the port is taken.
    [[nodiscard]] static Result<std::unique_ptr<HttpServer>> listen(const std::string& address, std::uint16_t port,
                                                                    const tls::ServerIdentity& identity,
                                                                    std::function<Response(const Request&)> handle);
    // Answers until stop(). On the caller's thread.
    virtual void run() = 0;
    // Streams end within a second. Thread: any.
    virtual void stop() = 0;
};

}  // namespace assent::console
