#include <gtest/gtest.h>

#include "model/kept_records.h"

namespace assent::model {
namespace {

using namespace std::chrono_literals;

class Sink final : public RecordSink {
public:
    Result<RecordTicket> append(const RecordDraft& draft) override {
        if (room == 0) return fail(Errc::limit, "full");
        if (draft.members.size() > 500) return fail(Errc::invalid, "too large");
        --room;
        taken.push_back(std::string(draft.type) + "/" + std::string(draft.session) + "/" + std::string(draft.members) + "/" +
                        std::to_string(draft.bodies.size()));
        when.push_back(draft.when);
        return taken.size();
    }
    RecordTicket durable() const noexcept override { return 0; }
    bool is_available() const noexcept override { return room > 0; }

    std::size_t room = 0;
    std::vector<std::string> taken;
    std::vector<WallTime> when;
};

const std::string long_text(1000, 'x');

RecordDraft draft(std::string_view type, std::span<const RecordBody> bodies = {}) { return {type, "s", "", bodies, false}; }

TEST(KeptRecords, come_in_their_order_and_with_their_time) {
    Sink sink;
    KeptRecords kept;
    KeptRecords later;
    kept.add(draft("first"), WallTime(1s));
    later.add(draft("second"), WallTime(2s));
    kept.take(std::move(later));
    EXPECT_EQ(kept.count(), 2U);
    EXPECT_FALSE(kept.retry(sink));
    sink.room = 1;
    EXPECT_FALSE(kept.retry(sink));
    sink.room = 1;
    EXPECT_TRUE(kept.retry(sink));
    EXPECT_TRUE(kept.is_empty());
    EXPECT_EQ(kept.size_bytes(), 0U);
    EXPECT_EQ(sink.taken, (std::vector<std::string>{"first/s//0", "second/s//0"}));
    EXPECT_EQ(sink.when, (std::vector<WallTime>{WallTime(1s), WallTime(2s)}));
}

TEST(KeptRecords, are_bounded_and_say_what_they_left_out) {
    Sink sink;
    KeptRecords kept(1000);
    const RecordBody body{"text", as_bytes(long_text)};
    kept.add(draft("outcome", std::span(&body, 1)), {});
    EXPECT_TRUE(kept.is_over_limit());
    kept.add(draft("outcome", std::span(&body, 1)), {});
    for (int i = 0; i < 1000; ++i) kept.add(draft("outcome"), {});
    EXPECT_LT(kept.size_bytes(), 3000U);
    kept.add(draft("flow.closed"), {});
    const auto count = kept.count();
    EXPECT_EQ(count, 1003U);
    sink.room = 2000;
    EXPECT_TRUE(kept.retry(sink));
    EXPECT_EQ(sink.taken[0], "outcome/s//1");
    EXPECT_EQ(sink.taken[1], "outcome/s//0") << "over the limit without its body";
    EXPECT_EQ(sink.taken[sink.taken.size() - 2], "flow.closed/s//0");
    const std::size_t left_out = count - (sink.taken.size() - 1);
    EXPECT_NE(sink.taken.back().find("\"left_out\":" + std::to_string(left_out)), std::string::npos) << sink.taken.back();
    EXPECT_TRUE(kept.is_empty());
}

TEST(KeptRecords, one_that_the_log_will_never_take_does_not_stop_the_others) {
    Sink sink;
    sink.room = 10;
    KeptRecords kept;
    RecordDraft large = draft("outcome");
    large.members = long_text;
    kept.add(large, {});
    kept.add(draft("flow.closed"), {});
    EXPECT_TRUE(kept.retry(sink));
    ASSERT_EQ(sink.taken.size(), 2U);
    EXPECT_NE(sink.taken[0].find("unrecorded"), std::string::npos);
    EXPECT_EQ(sink.taken[1], "flow.closed/s//0");
}

}  // namespace
}  // namespace assent::model
