#include "approve/person.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace assent::approve {
namespace {

constexpr std::string_view unix_prefix = "unix:";

bool contains(const std::vector<std::string>& list, std::string_view word) {
    return std::ranges::find(list, word) != list.end();
}

// "ana", or "ana@HOST" where HOST is this host's name as the kernel has it.
std::string name_at_host(const std::string& name) {
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0 || host.front() == '\0') return name;
    return name + "@" + host.data();
}

bool contains_unix(const std::vector<std::string>& list, const std::string& name) {
    return contains(list, std::string(unix_prefix) + name);
}

// A token that calls itself unix:NAME is not of this host.
bool contains_of_token(const std::vector<std::string>& list, const std::string& name) {
    return !name.empty() && !name.starts_with(unix_prefix) && contains(list, name);
}

}  // namespace

bool may_be_same(const PersonKey& left, const PersonKey& right) {
    if (left.issuer.empty() != right.issuer.empty()) return true;
    if (left.issuer.empty()) return left.login_uid == right.login_uid;
    return left.issuer == right.issuer && left.subject == right.subject;
}

bool is_unix_person(const Person& person, const std::vector<std::string>& users, const std::vector<std::string>& groups) {
    if (!person.issuer.empty() || person.name.empty()) return false;
    return contains(users, person.name) || contains(users, name_at_host(person.name)) ||
           std::ranges::any_of(person.groups, [&](const auto& group) { return contains(groups, group); });
}

bool is_named(const Person& person, const std::vector<std::string>& users, const std::vector<std::string>& groups,
              const Reviewing& reviewing) {
    if (!person.issuer.empty()) {
        return reviewing.by_token &&
               (contains_of_token(users, person.name) ||
                std::ranges::any_of(person.groups, [&](const auto& group) { return contains_of_token(groups, group); }));
    }
    if (!reviewing.by_unix || person.name.empty()) return false;
    const bool is_written_so =
        contains_unix(users, person.name) ||
        std::ranges::any_of(person.groups, [&](const auto& group) { return contains_unix(groups, group); });
    return is_written_so || (!reviewing.by_token && is_unix_person(person, users, groups));
}

bool is_decider(const Person& person, const Deciders& deciders) {
    if (!person.issuer.empty()) return is_named(person, deciders.users, deciders.groups, deciders.reviewing);
    return is_unix_person(person, deciders.users, deciders.groups);
}

bool may_answer(const Person& person, const Deciders& deciders) {
    if (!person.scopes.empty()) return false;
    if (!person.issuer.empty()) return deciders.reviewing.by_token;
    return deciders.reviewing.by_unix && is_decider(person, deciders);
}

}  // namespace assent::approve
