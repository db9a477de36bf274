// A service that no governed process may reach.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "kernel/playground.h"

namespace assent::kernel_tests {

// A UDP socket outside: whoever gets something there went past assent.
struct Outside {
    Outside() : socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        socklen_t size = 0;
        auto storage = address_of("127.0.0.1", 0, size);
        auto* address = reinterpret_cast<sockaddr*>(&storage);
        EXPECT_EQ(::bind(socket.get(), address, size), 0);
        EXPECT_EQ(::getsockname(socket.get(), address, &size), 0);
        port = ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
    }
    [[nodiscard]] bool has_received() const {
        bool has_any = false;
        char byte = 0;
        while (::recv(socket.get(), &byte, 1, 0) >= 0) has_any = true;
        return has_any;
    }
    [[nodiscard]] Fd connected() const {
        Fd out(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(connect_to("127.0.0.1", port, out), "connected");
        return out;
    }
    void answer(int to) const {
        sockaddr_storage storage{};
        socklen_t size = sizeof(storage);
        auto* address = reinterpret_cast<sockaddr*>(&storage);
        EXPECT_EQ(::getsockname(to, address, &size), 0);
        EXPECT_EQ(::sendto(socket.get(), "a", 1, 0, address, size), 1);
    }
    Fd socket;
    std::uint16_t port = 0;
};

}  // namespace assent::kernel_tests
