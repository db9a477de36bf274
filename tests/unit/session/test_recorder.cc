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
    bool is_available() const noexcept override { return true; }

    bool is_full = false;
    std::vector<std::string> taken;
};

TEST(Recorder, KeepsWhatHappenedUntilTheLogTakesItAndInOrder) {
    FakeSink sink;
    Recorder recorder(sink, "s");
    sink.is_full = true;
    recorder.tell("first", "");
    recorder.tell("second", "");
    EXPECT_FALSE(recorder.is_clear());
    EXPECT_FALSE(recorder.append("command", "", {}, true).has_value());  // never before what is older
    sink.is_full = false;
    EXPECT_TRUE(recorder.append("command", "", {}, true).has_value());
    EXPECT_EQ(sink.taken, (std::vector<std::string>{"first", "second", "command"}));
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
