// Sessions in a simulated world: an agent that pipelines, gives up and resets, a log that lags and fails, people who answer
// or do not. Whatever happens, nothing runs without its record or its approval, and every reply is in its place.
// ASSENT_SIM_SEED=N runs one seed again.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include <gtest/gtest.h>

#include "base/cursor.h"
#include "sim/sim_shell.h"

namespace assent::sim {
namespace {

constexpr const char* policy_text = R"(version: 1
for: {agents: [bots], targets: [db]}
agents:
  bots: [{run: "*", runners: [ana]}]
targets:
  db: {protocol: postgres, addresses: ["127.0.0.1:5432"]}
rules:
  - {name: connects, operations: [connect, session], objects: [any], verdict: allow}
  - {name: reads, operations: [read, transaction], objects: [any], verdict: allow}
  - {name: inserts, operations: [insert], objects: [any], verdict: allow}
  - {name: updates, operations: [update], objects: [any], verdict: hold, approval: dba}
approvals:
  dba: {wait: 1s, deadline: 15m, stages: [{reviewers: {users: [ana]}}]}
)";

constexpr const char* relaying_policy_text = R"(version: 1
for: {agents: [bots], targets: [db]}
agents:
  bots: [{run: "*", runners: [ana]}]
targets:
  db: {protocol: tcp, addresses: ["127.0.0.1:5432"]}
rules:
  - {name: connects, operations: [connect], objects: [any], verdict: allow}
)";

std::shared_ptr<const policy::Policy> load_policy(const std::string& text = policy_text) {
    const auto folder = std::filesystem::path(testing::TempDir()) / ("assent-sim-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "sim.yaml") << text;
    auto policy = policy::Policy::load(folder, 1);
    std::filesystem::remove_all(folder);
    if (!policy.has_value()) {
        for (const auto& diagnostic : policy.error()) ADD_FAILURE() << diagnostic.to_text();
        return nullptr;
    }
    return *policy;
}

// The agent: sends commands, some of them pipelined, and reads what comes back.
class Agent {
public:
    Agent(World& world, Dice& dice, Shell& shell) : world_(world), dice_(dice), shell_(shell) {
        shell_.agent_receives = [this](std::string_view bytes) { received(bytes); };
        shell_.agent_sees_end = [this] { has_ended = true; };
        const std::string startup = int32(196608) + zero_terminated("user") + zero_terminated("app") +
                                    zero_terminated("database") + zero_terminated("shop") + '\0';
        shell_.agent_sends(int32(startup.size() + 4) + startup);
        expected_ready_ = 1;
    }

    bool has_ended = false;
    std::size_t ready_count = 0;
    std::size_t expected_ready_ = 0;
    std::size_t errors = 0;
    std::size_t completions = 0;
    bool has_left = false;

private:
    void received(std::string_view bytes) {
        if (std::getenv("ASSENT_SIM_SEED") != nullptr)
            std::cerr << "agent < " << testing::PrintToString(std::string(bytes)) << "\n";
        buffer_ += bytes;
        while (buffer_.size() >= 5) {
            Cursor cursor(as_bytes(std::string_view(buffer_).substr(1)));
            const std::size_t size = cursor.u32() + 1;
            ASSERT_LT(size, 100'000U) << "nonsense came to the agent";
            if (buffer_.size() < size) return;
            see(buffer_[0]);
            buffer_.erase(0, size);
        }
    }

    void see(char type) {
        static constexpr std::string_view known = "RSKZTDCE123nNt";
        EXPECT_NE(known.find(type), std::string_view::npos) << "an unexpected message: " << type;
        if (type == 'E') ++errors;
        if (type == 'C') ++completions;
        if (type != 'Z') return;
        ++ready_count;
        EXPECT_LE(ready_count, expected_ready_);
        if (ready_count == expected_ready_) world_.after(std::chrono::microseconds(dice_.roll(500)), [this] { next(); });
    }

    void next() {
        if (has_left || has_ended) return;
        if (commands_left_ == 0 || dice_.one_in(40)) return leave();
        const std::size_t batch = 1 + (dice_.one_in(3) ? dice_.roll(4) : 0);
        std::string bytes;
        for (std::size_t i = 0; i < batch && commands_left_ > 0; ++i, --commands_left_)
            bytes += dice_.one_in(2) ? simple() : extended();
        if (std::getenv("ASSENT_SIM_SEED") != nullptr) std::cerr << "agent > " << testing::PrintToString(bytes) << "\n";
        shell_.agent_sends(bytes);
        if (dice_.one_in(60)) leave();
        if (dice_.one_in(25)) shell_.sink().fill_for(std::chrono::milliseconds(dice_.roll(50)));
        if (dice_.one_in(40)) shell_.sink().fail_for(std::chrono::milliseconds(dice_.roll(200)));
        if (commands_left_ < 5 && dice_.one_in(4)) {
            shell_.sink().fail_for(std::chrono::seconds(20));
            if (!has_left) leave();
        }
    }

    void leave() {
        has_left = true;
        switch (dice_.roll(3)) {
            case 0:
                shell_.agent_sends(message('X', ""));
                break;
            case 1:
                shell_.agent_closes();
                break;
            default:
                shell_.agent_resets();
                break;
        }
        // Whoever says goodbye closes as well.
        shell_.agent_closes();
    }

    std::string text() {
        const std::string n = std::to_string(++numbers_);
        switch (dice_.roll(9)) {
            case 0:
                return "BEGIN -- " + n;
            case 1:
                return "COMMIT -- " + n;
            case 2:
                return "UPDATE t SET a = " + n + " WHERE a = 1";
            case 3:
                return "DELETE FROM t WHERE a = " + n;
            case 4:
                return "INSERT INTO t VALUES (" + n + ")";
            case 5:
                return "SELECT fails AS a" + n;
            case 6:
                return "ROLLBACK -- " + n;
            default:
                return "SELECT " + n;
        }
    }

    std::string simple() {
        ++expected_ready_;
        return message('Q', zero_terminated(text()));
    }

    std::string extended() {
        ++expected_ready_;
        std::string out;
        const std::size_t count = 1 + dice_.roll(3);
        for (std::size_t i = 0; i < count; ++i) {
            const std::string name = dice_.one_in(3) ? "s" + std::to_string(dice_.roll(3)) : "";
            if (name.empty() || dice_.one_in(2))
                out += message('P', zero_terminated(name) + zero_terminated(text()) + int16(0));
            out += message('B', zero_terminated("") + zero_terminated(name) + int16(0) + int16(0) + int16(0));
            if (dice_.one_in(2)) out += message('D', "P" + zero_terminated(""));
            out += message('E', zero_terminated("") + int32(0));
            if (!name.empty() && dice_.one_in(4)) out += message('C', "S" + zero_terminated(name));
        }
        return out + message('S', "");
    }

    World& world_;
    Dice& dice_;
    Shell& shell_;
    std::string buffer_;
    std::size_t commands_left_ = 40;
    std::size_t numbers_ = 0;
};

// What happened in all seeds together: a world in which nothing happens proves nothing.
struct Totals {
    std::size_t ran = 0;
    std::size_t updates = 0;
    std::size_t errors = 0;
    std::size_t outcomes = 0;
    std::size_t planned = 0;
    std::size_t unplanned = 0;
};

void run_seed(Totals& totals, std::uint64_t seed, const std::shared_ptr<const policy::Policy>& policy) {
    SCOPED_TRACE("ASSENT_SIM_SEED=" + std::to_string(seed));
    World world;
    Dice dice(seed);
    Shell shell(world, dice, policy);
    shell.session().open();
    Agent agent(world, dice, shell);
    std::size_t steps = 0;
    while (world.step() && ++steps < 1'000'000 && !testing::Test::HasFailure()) {
    }
    EXPECT_LT(steps, 1'000'000U) << "the world does not come to rest";
    EXPECT_TRUE(shell.is_over()) << "the session hangs: " << shell.describe();
    EXPECT_TRUE(agent.has_left || agent.has_ended) << "the agent waits for a reply that never comes: " << shell.describe();
    EXPECT_TRUE(shell.is_all_told()) << "records were lost with the flow";
    EXPECT_EQ(shell.sink().count("flow.opened"), 1U);
    EXPECT_EQ(shell.sink().count("flow.closed"), 1U);
    totals.ran += shell.ran().size();
    totals.updates += static_cast<std::size_t>(
        std::ranges::count_if(shell.ran(), [](const std::string& text) { return text.starts_with("UPDATE"); }));
    totals.errors += agent.errors;
    totals.planned += shell.planned();
    totals.unplanned += shell.unplanned();
    totals.outcomes += shell.sink().count("outcome");
}

// It has no log-in that could come too late.
TEST(SessionSimulation, ARelayedFlowMayBeSilentForLong) {
    const auto policy = load_policy(relaying_policy_text);
    ASSERT_NE(policy, nullptr);
    World world;
    Dice dice(2);  // one with which the target can be reached
    Shell shell(world, dice, policy);
    shell.session().open();
    const Moment end = world.now() + std::chrono::minutes(10);
    world.after(std::chrono::minutes(10), [] {});
    while (world.now() < end && world.step()) {
    }
    EXPECT_EQ(shell.sink().count("outcome"), 0U);
    EXPECT_FALSE(shell.is_over()) << shell.describe();
}

TEST(SessionSimulation, NothingRunsUnrecordedWhateverHappens) {
    const auto policy = load_policy();
    ASSERT_NE(policy, nullptr);
    Totals totals;
    if (const char* one = std::getenv("ASSENT_SIM_SEED")) {
        run_seed(totals, std::strtoull(one, nullptr, 10), policy);
        return;
    }
    for (std::uint64_t seed = 1; seed <= 600 && !HasFailure(); ++seed) run_seed(totals, seed, policy);
    RecordProperty("ran", static_cast<int>(totals.ran));
    EXPECT_GT(totals.ran, 2000U);
    EXPECT_GT(totals.updates, 100U) << "too few commands were held and approved";
    EXPECT_GT(totals.errors, 500U);
    EXPECT_GT(totals.planned, 100U);
    EXPECT_GT(totals.unplanned, 100U);
    EXPECT_GT(totals.outcomes, 2000U);
}

}  // namespace
}  // namespace assent::sim
