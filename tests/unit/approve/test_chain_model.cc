// Chains of approval against a model that knows nothing of the desk's: sets of names, counters and two clocks. Random people
// in several groups, stages, quorums, denials, escalations, clocks that are set, restarts. The seed is printed; ASSENT_SEED
// repeats a run.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>

#include <fmt/format.h>

#include "unit/approve/desk_fixture.h"

namespace assent::approve {
namespace {

using model::HoldState;
using std::chrono::seconds;

using Names = std::set<std::string>;

// A moment that comes by either clock: `wall` by the one that people set, `count` by the one that only runs.
struct Timer {
    long wall = 0;
    long count = 0;
};

struct ModelStage {
    Names may;
    Names may_later;
    std::size_t quorum = 1;
    std::optional<long> after;
};

struct ModelChain {
    std::vector<ModelStage> stages;
    std::size_t at = 0;
    Names counted;   // in any stage
    Names of_stage;  // in the one that waits
    std::set<std::size_t> escalated;
    std::optional<Timer> escalates;
};

struct ModelHold {
    std::string id;
    long deadline_s = 0;
    Timer deadline;
    HoldState state = HoldState::waiting;
    std::vector<ModelChain> chains;
};

class ChainModel : public DeskFixture {
protected:
    static constexpr int people_count = 9;
    static constexpr int group_count = 4;

    void make_people() {
        for (int i = 0; i < people_count; ++i) {
            Person one = person(fmt::format("p{}", i), 2000 + static_cast<std::uint32_t>(i));
            for (int group = 0; group < group_count; ++group) {
                if (random() % 3 == 0) one.groups.push_back(fmt::format("g{}", group));
            }
            people.push_back(std::move(one));
        }
    }

    // Some users and groups, and who they are.
    std::pair<model::HoldStage, Names> some_reviewers() {
        model::HoldStage stage;
        Names names;
        for (const Person& one : people) {
            if (random() % 4 != 0) continue;
            stage.users.push_back(one.name);
            names.insert(one.name);
        }
        for (int group = 0; group < group_count; ++group) {
            if (random() % 3 != 0) continue;
            stage.groups.push_back(fmt::format("g{}", group));
            for (const Person& one : people) {
                if (std::ranges::find(one.groups, stage.groups.back()) != one.groups.end()) names.insert(one.name);
            }
        }
        return {stage, names};
    }

    void request_one() {
        model::HoldRequest wanted = request(fmt::format("command {}", holds.size()));
        wanted.runner_uid.reset();
        wanted.approvals.clear();
        ModelHold expected;
        expected.deadline_s = 50 + static_cast<long>(random() % 400);
        wanted.deadline = seconds(expected.deadline_s);
        const std::size_t approvals = 1 + random() % 2;
        for (std::size_t i = 0; i < approvals; ++i) {
            model::HoldApproval approval{fmt::format("a{}", i), {}, {}};
            ModelChain chain;
            const std::size_t stages = 1 + random() % 3;
            for (std::size_t k = 0; k < stages; ++k) {
                auto [stage, may] = some_reviewers();
                ModelStage one{may, {}, 1 + random() % 3, {}};
                stage.quorum = static_cast<std::uint32_t>(one.quorum);
                if (random() % 2 == 0) {
                    const auto [later, names] = some_reviewers();
                    one.may_later = names;
                    one.after = static_cast<long>(random() % 100);
                    stage.escalate_after = seconds(*one.after);
                    stage.escalate_users = later.users;
                    stage.escalate_groups = later.groups;
                }
                approval.stages.push_back(std::move(stage));
                chain.stages.push_back(std::move(one));
            }
            wanted.approvals.push_back(std::move(approval));
            expected.chains.push_back(std::move(chain));
        }
        auto got = desk->request(wanted);
        ASSERT_TRUE(got.has_value()) << got.error().message;
        expected.id = got->id;
        expected.deadline = {wall + expected.deadline_s, count + expected.deadline_s};
        for (ModelChain& chain : expected.chains) begin_stage(expected, chain);
        holds.push_back(std::move(expected));
    }

    void begin_stage(const ModelHold& hold, ModelChain& chain) const {
        chain.of_stage.clear();
        chain.escalates.reset();
        if (chain.at == chain.stages.size() || !chain.stages[chain.at].after) return;
        const long after = *chain.stages[chain.at].after;
        chain.escalates = Timer{wall + after, count + std::min(after, hold.deadline_s)};
    }

    [[nodiscard]] bool has_come(const Timer& timer) const { return wall >= timer.wall || count >= timer.count; }

    // What the passing of time does to a hold, before anything else happens to it.
    void settle(ModelHold& hold) {
        if (hold.state != HoldState::waiting && hold.state != HoldState::approved) return;
        if (has_come(hold.deadline)) {
            hold.state = HoldState::expired;
            return;
        }
        escalate(hold);
    }

    void escalate(ModelHold& hold) {
        if (hold.state != HoldState::waiting) return;
        for (ModelChain& chain : hold.chains) {
            if (!chain.escalates || !has_come(*chain.escalates)) continue;
            chain.escalated.insert(chain.at);
            chain.escalates.reset();
        }
    }

    [[nodiscard]] static bool may_answer(const ModelChain& chain, std::size_t stage, const std::string& name) {
        return chain.stages[stage].may.contains(name) ||
               (chain.escalated.contains(stage) && chain.stages[stage].may_later.contains(name));
    }

    bool model_approve(ModelHold& hold, const std::string& name) {
        bool is_taken = false;
        bool is_whole = true;
        for (ModelChain& chain : hold.chains) {
            const bool is_free =
                chain.at < chain.stages.size() && !chain.counted.contains(name) && may_answer(chain, chain.at, name);
            if (is_free) {
                is_taken = true;
                chain.counted.insert(name);
                chain.of_stage.insert(name);
                if (chain.of_stage.size() >= chain.stages[chain.at].quorum) {
                    ++chain.at;
                    begin_stage(hold, chain);
                }
            }
            is_whole = is_whole && chain.at == chain.stages.size();
        }
        if (is_taken && is_whole) hold.state = HoldState::approved;
        return is_taken;
    }

    static bool model_deny(ModelHold& hold, const std::string& name) {
        for (const ModelChain& chain : hold.chains) {
            for (std::size_t stage = 0; stage < chain.stages.size(); ++stage) {
                if (!may_answer(chain, stage, name)) continue;
                hold.state = HoldState::denied;
                return true;
            }
        }
        return false;
    }

    void answer_one() {
        if (holds.empty()) return;
        ModelHold& hold = holds[holds.size() - 1 - random() % std::min<std::size_t>(holds.size(), 6)];
        const Person& who = people[random() % people.size()];
        const bool approves = random() % 12 != 0;
        if (hold.state == HoldState::waiting) settle(hold);
        bool expected = false;
        if (hold.state == HoldState::waiting)
            expected = approves ? model_approve(hold, who.name) : model_deny(hold, who.name);
        const auto got = desk->decide(hold.id, who, approves, "because");
        ASSERT_EQ(got.has_value(), expected)
            << hold.id << " by " << who.name << ": " << (got ? "taken" : got.error().message);
    }

    void use_one() {
        if (holds.empty()) return;
        ModelHold& hold = holds[random() % holds.size()];
        const auto got = desk->use(hold.id);
        ASSERT_TRUE(got.has_value());
        if (hold.state == HoldState::approved && has_come(hold.deadline)) hold.state = HoldState::expired;
        const bool is_free = hold.state == HoldState::approved;
        ASSERT_EQ(*got, is_free) << hold.id;
        if (is_free) hold.state = HoldState::used;
    }

    void tick() {
        static_cast<void>(desk->expire());
        static_cast<void>(desk->escalate());
        for (ModelHold& hold : holds) settle(hold);
    }

    // The time that runs in this process begins anew; what is left of a timer is what the wall clock says, and no more than
    // the hold's whole time.
    void restart() {
        clock.restart();
        count = 0;
        reopen();
        for (ModelHold& hold : holds) {
            const auto left = [&](long when) { return std::clamp(when - wall, 0L, hold.deadline_s); };
            hold.deadline.count = left(hold.deadline.wall);
            for (ModelChain& chain : hold.chains) {
                if (chain.escalates) chain.escalates->count = left(chain.escalates->wall);
            }
        }
    }

    void step() {
        const auto choice = random() % 100;
        if (choice < 12) {
            request_one();
        } else if (choice < 72) {
            answer_one();
        } else if (choice < 78) {
            use_one();
        } else if (choice < 88) {
            const auto by = static_cast<long>(random() % 40);
            clock.pass(seconds(by));
            wall += by;
            count += by;
        } else if (choice < 92) {
            // Forward only: set back, the second of two escalations of one hold may come later than this model has it.
            const auto by = static_cast<long>(random() % 60);
            clock.set_wall(seconds(by));
            wall += by;
        } else if (choice < 97) {
            tick();
        } else {
            restart();
        }
        // All of them now and then, and always those that something may have happened to.
        compare(random() % 16 == 0 ? holds.size() : std::min<std::size_t>(holds.size(), 6));
    }

    void compare(std::size_t newest) {
        for (std::size_t i = holds.size() - newest; i < holds.size(); ++i) {
            const ModelHold& hold = holds[i];
            const auto found = desk->find(hold.id);
            ASSERT_TRUE(found.has_value());
            ASSERT_EQ(found->status.state, hold.state) << hold.id;
            std::size_t counted = 0;
            std::size_t escalated = 0;
            std::set<std::pair<std::string, std::string>> once;
            for (const ModelChain& chain : hold.chains) {
                counted += chain.counted.size();
                escalated += chain.escalated.size();
            }
            for (const Act& act : found->acts) {
                if (!act.approves) continue;
                --counted;
                ASSERT_TRUE(once.emplace(act.approval, act.person).second) << act.person << " was counted twice";
            }
            ASSERT_EQ(counted, 0U) << hold.id;
            ASSERT_EQ(found->escalated.size(), escalated) << hold.id;
        }
    }

    std::mt19937_64 random;
    std::vector<Person> people;
    std::vector<ModelHold> holds;
    long wall = 0;
    long count = 0;
};

TEST_F(ChainModel, AgreesWithTheModelWhateverHappens) {
    const char* given = std::getenv("ASSENT_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::printf("ASSENT_SEED=%llu\n", static_cast<unsigned long long>(seed));
    random.seed(seed);
    make_people();
    constexpr int steps = 500;
    for (int i = 0; i < steps && !HasFailure(); ++i) {
        SCOPED_TRACE(fmt::format("ASSENT_SEED={} step {}", seed, i));
        step();
    }
    EXPECT_GT(holds.size(), 10U) << "the run did something";
}

}  // namespace
}  // namespace assent::approve
