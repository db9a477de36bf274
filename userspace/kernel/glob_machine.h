// Patterns of names (* ? [ ]), as fnmatch(3) reads them, made into machines that a BPF program can run. Private to kernel/.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "abi.h"

namespace assent::kernel {

// Nothing: it has more than 63 characters and sets.
[[nodiscard]] std::optional<assent_glob> compile_glob(const std::string& pattern);
// What the program does with it.
[[nodiscard]] bool fits(const assent_glob& glob, std::string_view name) noexcept;
// The pattern that only this name fits.
[[nodiscard]] std::string literal_glob(std::string_view name);

}  // namespace assent::kernel
