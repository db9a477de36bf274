// People, as they are known to this host: by their login, or by a token of an identity provider. A name of the one kind
// never stands for the other: "root" in a token is nobody here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace assent::approve {

// Who answers: a person known by the control socket (SO_PEERCRED, and for root the login uid), and where they showed a token
// of an identity provider by that. Name and groups are then the token's alone; the uids still say whose process it was.
struct Person {
    std::uint32_t uid = 0;        // of the socket's peer
    std::uint32_t login_uid = 0;  // who logged in, as their process says; equals uid when there is none
    std::string name;             // unix user of the uid; for root by sudo, of login_uid
    std::vector<std::string> groups;
    bool is_governed = false;              // the peer is inside a governed cgroup: may never decide
    std::string issuer;                    // whose token; empty: known by this host only
    std::string subject;                   // `sub` of the token: with the issuer it names the person for ever
    std::optional<std::uint32_t> own_uid;  // of a token: which user of this host they are, where the provider says that
    std::vector<std::string> scopes;  // of a token for automation, which may do only what they say; empty: no such token
};

// How reviewers are known here; of the settings, for the daemon's life.
struct Reviewing {
    // An identity provider for reviewers is configured: names and groups in policies are its, and those of this host are
    // written unix:NAME. Then nobody approves for an agent that they started.
    bool by_token = false;
    bool by_unix = true;  // people of this host may answer
};

// `decide` of the settings, and how reviewers are known.
struct Deciders {
    std::vector<std::string> users;
    std::vector<std::string> groups;
    Reviewing reviewing;
};

// What names a person for ever, as far as this host can know it.
struct PersonKey {
    std::string issuer;
    std::string subject;
    std::uint32_t login_uid = 0;
};

// May they be the same person. Two that are known in different ways may be: nobody can tell.
[[nodiscard]] bool may_be_same(const PersonKey& left, const PersonKey& right);
[[nodiscard]] inline PersonKey key_of(const Person& person) { return {person.issuer, person.subject, person.login_uid}; }

// Is the person of this host, and the user or in one of the groups.
[[nodiscard]] bool is_unix_person(const Person& person, const std::vector<std::string>& users,
                                  const std::vector<std::string>& groups);
// Is the person one of those whom a policy names.
[[nodiscard]] bool is_named(const Person& person, const std::vector<std::string>& users,
                            const std::vector<std::string>& groups, const Reviewing& reviewing);
// Are they named in `decide`: they see all that is held and recorded, and administer.
[[nodiscard]] bool is_decider(const Person& person, const Deciders& deciders);
// May they answer a hold whose reviewers they are: people of this host when they are in `decide`, others by their token
// alone, where reviewers have some. A token for automation never.
[[nodiscard]] bool may_answer(const Person& person, const Deciders& deciders);

}  // namespace assent::approve
