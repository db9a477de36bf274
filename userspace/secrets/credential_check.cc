#include "secrets/credential_check.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include "secrets/secret.h"

namespace assent::secrets {

std::vector<std::string> unreadable_credentials(const policy::Policy& policy) {
    std::vector<std::string> out;
    for (const auto& target : policy.targets()) {
        const policy::Credential* credential = target.credential.empty() ? nullptr : policy.credential(target.credential);
        if (credential == nullptr) continue;
        auto secret = read_secret(credential->password_file);
        if (secret) {
            OPENSSL_cleanse(secret->data(), secret->size());
            continue;
        }
        out.push_back(
            fmt::format("credential '{}' of target '{}': {}", target.credential, target.name, secret.error().message));
    }
    return out;
}

}  // namespace assent::secrets
