// What the tests of the programs of the kernel's security module share. They run with them and without: is_held() says
// which.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "abi.h"
#include "kernel/outside.h"
#include "kernel/pins.h"
#include "kernel/playground.h"
#include "kernel/redirect.h"

namespace assent::lsm_tests {

using namespace kernel_tests;
using Kind = kernel::Event::Kind;

// Made once for many tests: an emulated processor takes seconds to check the programs.
struct Ground {
    Ground() {
        redirect = place.open();
        place.listen();
        EXPECT_TRUE(redirect->govern(place.governed()).has_value());
    }
    Playground place;
    std::unique_ptr<kernel::Redirect> redirect;
};

inline std::unique_ptr<Ground>& shared_ground() {
    static std::unique_ptr<Ground> ground;
    return ground;
}

class Held : public ::testing::Test {
protected:
    Held() : ground(made()), place(ground.place), redirect(ground.redirect) {}
    void SetUp() override {
        std::ifstream in("/sys/kernel/security/lsm");
        std::string modules;
        std::getline(in, modules);
        ASSERT_EQ(redirect->has_guard(), modules.find("bpf") != std::string::npos) << modules;
        const auto lacks = redirect->guard_lacks();
        ASSERT_EQ(redirect->has_guard(), lacks.empty()) << lacks.front();
    }
    static Ground& made() {
        if (!shared_ground()) shared_ground() = std::make_unique<Ground>();
        return *shared_ground();
    }
    static void TearDownTestSuite() { shared_ground().reset(); }
    [[nodiscard]] bool is_held() const { return redirect->has_guard(); }
    [[nodiscard]] std::string governed(const std::function<std::string()>& work) const {
        return inside(place.governed(), work);
    }
    [[nodiscard]] bool was_told(Kind kind) const {
        bool is_told = false;
        EXPECT_TRUE(redirect->poll_events(100, [&](const kernel::Event& event) { is_told |= event.kind == kind; }));
        return is_told;
    }
    Ground& ground;
    Playground& place;
    std::unique_ptr<kernel::Redirect>& redirect;
    Outside outside;
};

// For tests that leave nothing as it was.
class HeldAlone : public Held {
protected:
    void TearDown() override { shared_ground().reset(); }
};

}  // namespace assent::lsm_tests
