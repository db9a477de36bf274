#include "tls/openssl.h"

#include <arpa/inet.h>

#include <array>

#include <openssl/err.h>

namespace assent::tls {

std::unexpected<Error> fail_openssl(Errc code, std::string what) {
    const unsigned long error = ERR_get_error();
    ERR_clear_error();
    if (error != 0) {
        const char* reason = ERR_reason_error_string(error);
        what += ": ";
        what += reason != nullptr ? reason : "unknown reason";
    }
    return fail(code, std::move(what));
}

BioPointer open_file(const std::filesystem::path& file) { return BioPointer(BIO_new_file(file.c_str(), "r")); }

bool is_ip_address(const std::string& name) {
    std::array<unsigned char, 16> address{};
    return ::inet_pton(AF_INET, name.c_str(), address.data()) == 1 ||
           ::inet_pton(AF_INET6, name.c_str(), address.data()) == 1;
}

}  // namespace assent::tls
