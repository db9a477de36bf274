#include "base/result.h"

#include <system_error>

namespace assent {

std::unexpected<Error> fail_errno(std::string what, int error_number) {
    what += ": ";
    what += std::generic_category().message(error_number);
    return fail(Errc::io, std::move(what));
}

}  // namespace assent
