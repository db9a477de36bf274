#include "policy/can_be_given.h"

#include <functional>
#include <map>

namespace assent::policy {
namespace {

// One place of a quorum, which takes one person.
struct Seat {
    const std::set<std::string>* persons = nullptr;
};

// Finds the seat a person, moving others who sit elsewhere (augmenting paths: Kuhn's algorithm).
bool take_seat(const std::vector<Seat>& seats, std::size_t seat, std::map<std::string, std::size_t>& sitting,
               std::set<std::string>& tried) {
    for (const std::string& person : *seats[seat].persons) {
        if (!tried.insert(person).second) continue;
        const auto other = sitting.find(person);
        if (other == sitting.end() || take_seat(seats, other->second, sitting, tried)) {
            sitting[person] = seat;
            return true;
        }
    }
    return false;
}

}  // namespace

Candidates candidates_of(const Stage& stage) {
    Candidates out;
    out.quorum = stage.quorum;
    const auto add = [&](const Reviewers& reviewers) {
        out.persons.insert(reviewers.users.begin(), reviewers.users.end());
        out.is_open = out.is_open || !reviewers.groups.empty();
    };
    add(stage.reviewers);
    if (stage.escalation) add(stage.escalation->to);
    return out;
}

std::optional<std::size_t> most_persons(const Stage& stage) {
    const Candidates candidates = candidates_of(stage);
    return candidates.is_open ? std::nullopt : std::optional(candidates.persons.size());
}

bool has_persons_for_all(const std::vector<Candidates>& stages) {
    std::vector<Seat> seats;
    for (const Candidates& stage : stages) {
        if (stage.is_open) continue;
        if (stage.persons.size() < stage.quorum) return false;
        seats.insert(seats.end(), stage.quorum, Seat{&stage.persons});
    }
    std::map<std::string, std::size_t> sitting;
    for (std::size_t seat = 0; seat < seats.size(); ++seat) {
        std::set<std::string> tried;
        if (!take_seat(seats, seat, sitting, tried)) return false;
    }
    return true;
}

bool has_persons_for_all(const std::vector<Stage>& stages) {
    std::vector<Candidates> all;
    for (const Stage& stage : stages) all.push_back(candidates_of(stage));
    return has_persons_for_all(all);
}

}  // namespace assent::policy
