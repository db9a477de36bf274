#include "tls/openssl.h"

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

}  // namespace assent::tls
