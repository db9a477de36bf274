// The loaded BPF programs and their maps. Private to kernel/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "abi.h"
#include "base/result.h"
#include "kernel/pins.h"

struct assent_programs;

namespace assent::kernel {

struct Program {
    std::string name;  // of its pin
    int descriptor = -1;
    int attach_type = 0;
};

class Programs {
public:
    // Loads them over the pinned maps, or over new ones where none are pinned or they are of another version. With null
    // `pins` all are new. Changes nothing that is pinned or attached.
    [[nodiscard]] static Result<Programs> load(const Pins* pins);
    // After configure(), so that what is pinned is never without a configuration.
    [[nodiscard]] Result<> pin_new_maps(const Pins& pins) const;

    [[nodiscard]] Program accept() const;
    [[nodiscard]] std::vector<Program> governing() const;  // all others that this kernel has
    [[nodiscard]] int map(std::string_view name) const;
    [[nodiscard]] bool has(std::string_view program) const;  // false: this kernel does not take it

    [[nodiscard]] Result<> configure(const assent_config& settings) const;

private:
    struct Close {
        void operator()(assent_programs* skeleton) const;
    };
    std::unique_ptr<assent_programs, Close> skeleton_;
    std::vector<std::string> missing_;   // programs that this kernel does not take
    std::vector<std::string> new_maps_;  // that were not pinned before
};

// For these proxy ports, in this network namespace. Errc::invalid: a port that others could take.
[[nodiscard]] Result<assent_config> make_configuration(const std::vector<std::uint16_t>& ports);

}  // namespace assent::kernel
