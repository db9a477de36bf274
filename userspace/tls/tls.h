// TLS over memory: bytes in, bytes out, no descriptor. The only user of OpenSSL's SSL objects.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace assent::tls {

class Context;

// Towards agents: a certificate of assent's own CA for `name` (made and kept under `folder`, CA key mode 0600).
[[nodiscard]] Result<std::shared_ptr<Context>> server_context(const std::filesystem::path& folder, const std::string& name);
// One certificate for several names and IP addresses.
[[nodiscard]] Result<std::shared_ptr<Context>> server_context(const std::filesystem::path& folder,
                                                              const std::vector<std::string>& names);
// Towards targets. verify: the chain against `ca` (empty: the system's) and the name (or IP) against `name`.
[[nodiscard]] Result<std::shared_ptr<Context>> client_context(bool verifies, const std::filesystem::path& ca,
                                                              const std::string& name);

class Channel {
public:
    virtual ~Channel() = default;
    // Takes ciphertext from the wire; plaintext and ciphertext to be sent come out through the callbacks of drain().
    [[nodiscard]] virtual Result<> received(Bytes ciphertext) = 0;
    // Encrypts; what must be sent is given to `out` (views valid during the call).
    [[nodiscard]] virtual Result<> send(Bytes plaintext, const std::function<void(Bytes)>& out) = 0;
    // Moves the handshake and gives what is there: ciphertext to send, plaintext received.
    [[nodiscard]] virtual Result<> drain(const std::function<void(Bytes)>& ciphertext,
                                         const std::function<void(Bytes)>& plaintext) = 0;
    [[nodiscard]] virtual bool is_established() const = 0;
    [[nodiscard]] virtual bool is_closed() const = 0;                      // close_notify came
    virtual void close(const std::function<void(Bytes)>& ciphertext) = 0;  // close_notify
};

[[nodiscard]] std::unique_ptr<Channel> make_channel(const std::shared_ptr<Context>& context);

}  // namespace assent::tls
