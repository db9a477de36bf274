// Ten thousand holds open: they work, and their texts stay on the disk. What they take of time is printed.
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/limits.h"
#include "unit/approve/desk_fixture.h"

namespace assent::approve {
namespace {

using Watch = std::chrono::steady_clock;

double milliseconds_since(Watch::time_point begin) {
    return std::chrono::duration<double, std::milli>(Watch::now() - begin).count();
}

// Of this process, in bytes.
std::size_t resident() {
    std::ifstream in("/proc/self/statm");
    std::size_t all = 0;
    std::size_t pages = 0;
    in >> all >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST_F(DeskFixture, TenThousandOpenHoldsTakeLittleMemoryAndTime) {
    constexpr std::size_t count = 10'000;
    constexpr std::size_t agents = 10;
    const std::string text(2'000, 'x');
    std::vector<std::string> ids;
    const std::size_t before = resident();
    auto begin = Watch::now();
    for (std::size_t i = 0; i < count; ++i) {
        auto wanted = request(fmt::format("{} {}", i, text));
        wanted.agent = fmt::format("agent {}", i % agents);
        wanted.shape = sha256(as_bytes(std::to_string(i % 100)));
        ids.push_back(open_hold(wanted));
    }
    const double opening = milliseconds_since(begin);
    EXPECT_EQ(desk->waiting_count(), count);
    const std::size_t grown = resident() - std::min(before, resident());
#ifndef ASSENT_SANITIZED  // sanitizers keep what was freed
    EXPECT_LT(grown, 64 * limits::MiB);
#endif

    begin = Watch::now();
    EXPECT_TRUE(desk->expire().empty());
    EXPECT_TRUE(desk->escalate().empty());
    const double tick = milliseconds_since(begin);

    begin = Watch::now();
    reopen();
    const double loading = milliseconds_since(begin);
    EXPECT_EQ(desk->waiting_count(), count);

    begin = Watch::now();
    EXPECT_TRUE(desk->decide(ids[count / 2], ben, true, "").has_value());
    const double deciding = milliseconds_since(begin);

    begin = Watch::now();
    const auto decision = desk->answer(ids[7], ben, {true, "", Widening{std::chrono::seconds(60), 0}, {}});
    const double widening = milliseconds_since(begin);
    ASSERT_TRUE(decision.has_value()) << decision.error().message;
    EXPECT_EQ(decision->released.size(), count / 100 - 1) << "those of its shape and agent";
    std::printf(
        "10,000 holds: opened in %.0f ms, %zu KiB of memory, a tick %.1f ms, a start %.0f ms, a decision %.1f ms, "
        "a widened one %.1f ms\n",
        opening, grown / limits::KiB, tick, loading, deciding, widening);
}

}  // namespace
}  // namespace assent::approve
