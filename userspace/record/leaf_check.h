// Checks one leaf against the body frames that stood before it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"

namespace assent::record {

// What a body frame held.
struct BodySeen {
    Digest digest{};
    std::uint64_t size = 0;
    bool is_erased = false;
};

// What the checks need to know of a leaf; what is absent is empty.
struct LeafChecked {
    std::optional<std::string> problem;          // a sentence: what does not fit
    std::optional<std::uint64_t> pruned_before;  // of a record that says what was pruned
};

// Keeps its parser from one leaf to the next. Thread: one.
class LeafChecker {
public:
    LeafChecker();
    ~LeafChecker();
    LeafChecker(const LeafChecker&) = delete;
    LeafChecker& operator=(const LeafChecker&) = delete;

    [[nodiscard]] LeafChecked check(std::string_view leaf, const std::vector<BodySeen>& bodies);

private:
    struct Parser;
    std::unique_ptr<Parser> parser_;
};

}  // namespace assent::record
