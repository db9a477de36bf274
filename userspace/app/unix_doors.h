// The proxy's own unix sockets: one for each socket that a target lists, below RUN/unix, found again under the same name
// after a restart. One that no target lists any more stays until the stop: the kernel leads nobody to it.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "app/handover.h"
#include "base/fd.h"
#include "base/result.h"
#include "kernel/redirect.h"
#include "policy/policy.h"
#include "policy/settings.h"

namespace assent::app {

class UnixDoors {
public:
    // Gives the bound socket that stands for `name` to whoever accepts from it.
    using Listen = std::function<Result<>(Fd socket, const std::string& name)>;

    UnixDoors(const policy::Settings& settings, kernel::Redirect& redirect, Handover& handover, Listen listen)
        : settings_(settings), redirect_(redirect), handover_(handover), listen_(std::move(listen)) {}

    // Opens what the policy's targets list, then tells the kernel. Thread: any.
    [[nodiscard]] Result<> open(const policy::Policy& policy);

private:
    [[nodiscard]] Result<std::filesystem::path> door_for(const std::string& name);

    const policy::Settings& settings_;
    kernel::Redirect& redirect_;
    Handover& handover_;
    Listen listen_;
    std::mutex mutex_;  // guards doors_, and that rules are written in order
    std::map<std::string, std::filesystem::path> doors_;
};

}  // namespace assent::app
