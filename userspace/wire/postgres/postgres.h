// The PostgreSQL frontend/backend protocol, version 3.0 and 3.2 (https://www.postgresql.org/docs/current/protocol.html).
#pragma once

#include <memory>
#include <string>

#include "base/digest.h"
#include "wire/adapter.h"

namespace assent::wire::postgres {

struct Options {
    bool offers_tls = false;  // answer SSLRequest and direct TLS with TLS; otherwise 'N'
    TlsUse target_tls = TlsUse::none;
    bool has_credential = false;  // assent logs in; the agent's password is not asked for
    std::string user;             // with a credential: the database user and password
    std::string password;
    bool may_send_clear_password = false;    // the way to the target is TLS or loopback
    Digest mask_key{};                       // for `hash`
    std::string target_name = "the target";  // in errors that are about the target
};

[[nodiscard]] std::unique_ptr<Adapter> make_adapter(Options options, Host& host);

}  // namespace assent::wire::postgres
