#include <gtest/gtest.h>

#include "session/recorder.h"
#include "session/running.h"

namespace assent::session {
namespace {

class FakeSink : public model::RecordSink {
public:
    Result<model::RecordTicket> append(const model::RecordDraft& draft) override {
        if (is_full) return fail(Errc::limit, "full");
        taken.emplace_back(draft.type);
        return taken.size();
    }
    model::RecordTicket durable() const noexcept override { return 0; }
    bool is_available() const noexcept override { return !is_broken; }

    bool is_full = false;
    bool is_broken = false;
    std::vector<std::string> taken;
};

TEST(Recorder, KeepsWhatHappenedUntilTheLogTakesItAndInOrder) {
    FakeSink sink;
    Recorder recorder(sink, "s", system_clock());
    sink.is_full = true;
    recorder.tell("first", "");
    recorder.tell("second", "");
    EXPECT_FALSE(recorder.is_clear());
    EXPECT_FALSE(recorder.append("command", "", {}, true).has_value());  // never before what is older
    sink.is_full = false;
    EXPECT_TRUE(recorder.append("command", "", {}, true).has_value());
    EXPECT_EQ(sink.taken, (std::vector<std::string>{"first", "second", "command"}));
}

TEST(Recorder, HasRoomForALittleWhileTheLogTakesNothing) {
    FakeSink sink;
    Recorder recorder(sink, "s", system_clock());
    sink.is_full = true;
    recorder.tell("first", "");
    EXPECT_FALSE(recorder.has_room()) << "a full lane is waited for";
    EXPECT_EQ(recorder.append("command", "", {}, true).error().code, Errc::limit);
    sink.is_broken = true;
    EXPECT_TRUE(recorder.has_room()) << "the agent hears that records cannot be written";
    EXPECT_EQ(recorder.append("command", "", {}, true).error().code, Errc::unavailable);
    for (int i = 0; i < 1000 && recorder.has_room(); ++i) recorder.tell("outcome", "");
    EXPECT_FALSE(recorder.has_room()) << "but not for ever";
    sink.is_broken = sink.is_full = false;
    recorder.retry();
    EXPECT_TRUE(recorder.has_room());
}

TEST(RunningCommands, FindsAndRemovesInAnyOrder) {
    RunningCommands commands;
    for (wire::CommandId id = 1; id <= 300; ++id) {
        Running command;
        command.id = id;
        commands.add(std::move(command));
    }
    for (wire::CommandId id = 1; id <= 200; ++id) commands.remove(id);
    commands.remove(250);
    EXPECT_EQ(commands.size(), 99U);
    EXPECT_EQ(commands.find(200), nullptr);
    EXPECT_EQ(commands.find(250), nullptr);
    EXPECT_EQ(commands.find(251)->id, 251U);
    EXPECT_EQ(commands.oldest()->id, 201U);
    while (auto* oldest = commands.oldest()) commands.remove(oldest->id);
    EXPECT_EQ(commands.size(), 0U);
    EXPECT_EQ(commands.find(1), nullptr);
}

}  // namespace
}  // namespace assent::session
