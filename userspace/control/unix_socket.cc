#include "control/unix_socket.h"

#include <sys/socket.h>

#include <cstring>

namespace assent::control {

Result<sockaddr_un> unix_address(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& text = path.native();
    if (text.empty() || text.size() >= sizeof address.sun_path) {
        return fail(Errc::invalid, "the path of the control socket is too long for a unix socket: " + text);
    }
    std::memcpy(address.sun_path, text.c_str(), text.size());
    return address;
}

}  // namespace assent::control
