#include <cstring>

#include <gtest/gtest.h>

#include "base/big_stack.h"
#include "base/limits.h"

namespace assent {
namespace {

// Uses about `frames` * 4 KiB of stack; the answer keeps the compiler from folding it.
int dig(int frames) {
    volatile char page[4096];
    page[0] = static_cast<char>(frames);
    page[4095] = 1;
    return frames == 0 ? 0 : dig(frames - 1) + page[4095];
}

TEST(BigStack, IsAsBigAsItSays) {
    int depth = 0;
    ASSERT_TRUE(run_with_big_stack(limits::parser_stack_size, [&] { depth = dig(10'000); }).has_value());  // 40 MiB and more
    EXPECT_EQ(depth, 10'000);
}

TEST(BigStack, ASizeThatTheSystemRefusesIsAnError) {
    bool has_run = false;
    const auto ran = run_with_big_stack(1, [&] { has_run = true; });
    ASSERT_FALSE(ran.has_value());
    EXPECT_EQ(ran.error().code, Errc::io);
    EXPECT_FALSE(has_run);
}

TEST(BigStack, AThreadIsJoinedOnceByItsOwner) {
    int runs = 0;
    {
        auto first = StackThread::start(limits::MiB, [&] { ++runs; });
        ASSERT_TRUE(first.has_value());
        StackThread second = std::move(*first);
        second.join();
        second.join();
    }
    EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace assent
