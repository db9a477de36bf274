// Random operations against a model that is simpler than the desk: plain maps, no database, one deadline on one clock.
// The seed is printed; ASSENT_SEED repeats a run.
#include <cstdlib>
#include <map>
#include <optional>
#include <random>

#include <fmt/format.h>

#include "unit/approve/desk_fixture.h"

namespace assent::approve {
namespace {

using model::HoldState;
using std::chrono::seconds;

// One hold of the model.
struct Expected {
    std::string id;
    int command = 0;
    HoldState state = HoldState::waiting;
    long deadline = 0;
    bool needs_security = false;
    bool has_dba = false;
    bool has_security = false;
};

class DeskModel : public DeskFixture {
protected:
    static constexpr int commands = 5;

    void step() {
        const auto choice = random() % 100;
        if (choice < 35) {
            request_one();
        } else if (choice < 65) {
            decide_one();
        } else if (choice < 80) {
            use_one();
        } else if (choice < 85) {
            cancel_one();
        } else if (choice < 93) {
            pass_time();
        } else if (choice < 96) {
            compare_expired(desk->expire());
        } else {
            clock.restart();
            reopen();
            expired_since = 0;  // those have been told to a daemon that is gone
        }
        compare_all();
    }

    void request_one() {
        const int command = static_cast<int>(random() % commands);
        const bool is_strict = random() % 4 == 0;
        auto wanted = request(fmt::format("command {}", command));
        if (is_strict) wanted.approvals.push_back(approval("security", {"sam"}));
        wanted.deadline = seconds(100);
        auto got = desk->request(wanted);
        ASSERT_TRUE(got.has_value()) << got.error().message;

        Expected* const last = latest(command);
        const bool is_open = last != nullptr && (last->state == HoldState::waiting || last->state == HoldState::approved);
        if (is_open && now >= last->deadline) {
            expire(*last);
        } else if (is_open && is_strict && !last->needs_security) {
            last->state = HoldState::revoked;
        } else if (is_open || (last != nullptr && last->state == HoldState::denied && now < last->deadline)) {
            EXPECT_EQ(got->id, last->id);
            EXPECT_EQ(got->state, last->state);
            EXPECT_FALSE(got->is_new);
            return;
        }
        EXPECT_TRUE(got->is_new);
        EXPECT_EQ(got->state, HoldState::waiting);
        for (const auto& old : holds) EXPECT_NE(old.id, got->id);
        holds.push_back({got->id, command, HoldState::waiting, now + 100, is_strict, false, false});
    }

    void decide_one() {
        Expected* const hold = any();
        if (hold == nullptr) return;
        const std::array<Person, 5> people = {ana, ben, dora, sam, mallory};
        const Person& who = people.at(random() % people.size());
        const bool approves = random() % 3 != 0;
        const bool gives_dba = who.name == "ana" || who.name == "ben" || who.name == "dora";
        const bool gives_security = who.name == "sam" && hold->needs_security;
        auto got = desk->decide(hold->id, who, approves, "because");

        bool is_taken = false;
        if (hold->state == HoldState::waiting && now >= hold->deadline) {
            expire(*hold);
        } else if (hold->state == HoldState::waiting && (gives_dba || gives_security)) {
            is_taken = !approves || (gives_dba && !hold->has_dba) || (gives_security && !hold->has_security);
        }
        if (is_taken && !approves) hold->state = HoldState::denied;
        if (is_taken && approves) {
            hold->has_dba = hold->has_dba || gives_dba;
            hold->has_security = hold->has_security || gives_security;
            if (hold->has_dba && (hold->has_security || !hold->needs_security)) hold->state = HoldState::approved;
        }
        EXPECT_EQ(got.has_value(), is_taken) << (got ? "taken" : got.error().message);
    }

    void use_one() {
        Expected* const hold = any();
        if (hold == nullptr) return;
        auto got = desk->use(hold->id);
        ASSERT_TRUE(got.has_value());
        const bool is_free = hold->state == HoldState::approved && now < hold->deadline;
        EXPECT_EQ(*got, is_free);
        if (is_free) {
            hold->state = HoldState::used;
        } else if (hold->state == HoldState::approved) {
            expire(*hold);
        }
    }

    void cancel_one() {
        Expected* const hold = any();
        if (hold == nullptr) return;
        EXPECT_TRUE(desk->cancel(hold->id).has_value());
        if (hold->state == HoldState::waiting || hold->state == HoldState::approved) hold->state = HoldState::cancelled;
    }

    void pass_time() {
        const auto by = static_cast<long>(random() % 60);
        clock.pass(seconds(by));
        now += by;
    }

    void compare_expired(const std::vector<Hold>& given) {
        for (auto& hold : holds) {
            const bool is_open = hold.state == HoldState::waiting || hold.state == HoldState::approved;
            if (is_open && now >= hold.deadline) expire(hold);
        }
        EXPECT_EQ(given.size(), expired_since);
        expired_since = 0;
    }

    void expire(Expected& hold) {
        hold.state = HoldState::expired;
        ++expired_since;
    }

    void compare_all() {
        std::size_t waiting = 0;
        for (const auto& hold : holds) {
            auto found = desk->find(hold.id);
            ASSERT_TRUE(found.has_value()) << hold.id;
            ASSERT_EQ(found->status.state, hold.state) << hold.id;
            if (hold.state == HoldState::waiting) ++waiting;
        }
        EXPECT_EQ(desk->waiting_count(), waiting);
        EXPECT_EQ(desk->list(true, 1000).size(), waiting);
    }

    Expected* latest(int command) {
        for (auto hold = holds.rbegin(); hold != holds.rend(); ++hold) {
            if (hold->command == command) return &*hold;
        }
        return nullptr;
    }
    Expected* any() {
        return holds.empty() ? nullptr : &holds[holds.size() - 1 - random() % std::min<std::size_t>(holds.size(), 8)];
    }

    std::mt19937_64 random;
    std::vector<Expected> holds;
    long now = 0;
    std::size_t expired_since = 0;  // and not given by expire() yet
};

TEST_F(DeskModel, AgreesWithTheModelWhateverHappens) {
    const char* given = std::getenv("ASSENT_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    SCOPED_TRACE(fmt::format("ASSENT_SEED={}", seed));
    random.seed(seed);
    constexpr int steps = 400;
    for (int i = 0; i < steps && !HasFailure(); ++i) {
        SCOPED_TRACE(fmt::format("step {}", i));
        step();
    }
    EXPECT_GT(holds.size(), 10U) << "the run did something";
}

}  // namespace
}  // namespace assent::approve
