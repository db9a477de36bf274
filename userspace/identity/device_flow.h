// Logging in where there is no browser (RFC 8628): a person opens a page elsewhere and enters a code. Every call
// asks the provider. Thread: any.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "identity/token_endpoint.h"

namespace assent::identity {

struct DeviceLogin {
    std::string verification_uri;
    std::string verification_uri_complete;  // with the code in it; may be empty
    std::string user_code;
    std::string device_code;  // a secret: whoever has it gets the tokens
    std::chrono::seconds expires_in{};
    std::chrono::seconds interval{5};  // between two polls; grows when the provider asks for it
};

// `extra`: more fields, such as `resource`. Errors: Errc::unsupported (the provider has no such endpoint), Errc::denied (it
// refuses the client or the scopes), as Provider::post_form.
[[nodiscard]] Result<DeviceLogin> begin_device_login(Provider& provider, const ClientLogin& client,
                                                     const std::vector<std::string>& scopes, const FormFields& extra);
// Nothing: not yet; call again after `login.interval`. Errc::denied: the person refused, or was too late.
[[nodiscard]] Result<std::optional<Tokens>> poll_device_login(Provider& provider, const ClientLogin& client,
                                                              DeviceLogin& login);

}  // namespace assent::identity
