// The target itself: whoever gets here went past assent.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

#include <gtest/gtest.h>

#include "kernel/playground.h"

namespace assent::kernel_tests {

struct Elsewhere {
    Elsewhere() : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        socklen_t size = 0;
        auto storage = address_of("127.0.0.1", 0, size);
        auto* address = reinterpret_cast<sockaddr*>(&storage);
        EXPECT_EQ(::bind(socket.get(), address, size), 0);
        EXPECT_EQ(::listen(socket.get(), 64), 0);
        EXPECT_EQ(::getsockname(socket.get(), address, &size), 0);
        port = ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
    }
    [[nodiscard]] bool was_reached() const {
        const Fd accepted(::accept(socket.get(), nullptr, nullptr));
        return accepted.is_open();
    }
    Fd socket;
    std::uint16_t port = 0;
};

}  // namespace assent::kernel_tests
