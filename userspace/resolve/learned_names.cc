#include "resolve/learned_names.h"

#include <netdb.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>

#include <fmt/format.h>

#include "base/limits.h"

namespace assent::resolve {
namespace {

struct FreeAddresses {
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

Moment later(Moment now, Duration life) { return now + std::chrono::duration_cast<Moment::duration>(life); }

}  // namespace

std::string plain_name(std::string_view name) {
    while (name.ends_with('.')) name.remove_suffix(1);
    std::string out(name);
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

void NameTable::make_room(Moment now) {
    for (auto& [name, known] : names_)
        std::erase_if(known.addresses, [&](const auto& entry) { return entry.second <= now; });
    std::erase_if(names_, [](const auto& entry) { return entry.second.addresses.empty(); });
    if (names_.size() < most_) return;
    const auto end_of = [](const Name& name) {
        Moment last = Moment::min();
        for (const auto& [address, until] : name.addresses) last = std::max(last, until);
        return last;
    };
    auto first = names_.end();
    for (auto it = names_.begin(); it != names_.end(); ++it)
        if (!it->second.is_kept && (first == names_.end() || end_of(it->second) < end_of(first->second))) first = it;
    if (first != names_.end()) names_.erase(first);
}

void NameTable::add(const std::string& name, const model::IpAddress& address, Moment until, Moment now, bool is_kept) {
    if (name.empty()) return;
    if (!names_.contains(name)) {
        if (names_.size() >= most_) make_room(now);
        if (names_.size() >= most_) return;
    }
    auto& known = names_[name];
    known.is_kept |= is_kept;
    std::erase_if(known.addresses, [&](const auto& entry) { return entry.second <= now; });
    const bool has_room = known.addresses.size() < limits::addresses_per_name || known.addresses.contains(address);
    if (!has_room) {
        const auto by_end = [](const auto& left, const auto& right) { return left.second < right.second; };
        known.addresses.erase(std::ranges::min_element(known.addresses, by_end));
    }
    auto& end = known.addresses[address];
    end = std::max(end, until);
}

bool NameTable::leads_to(const std::string& name, const model::IpAddress& address, Moment now) const {
    const auto found = names_.find(name);
    if (found == names_.end()) return false;
    const auto entry = found->second.addresses.find(address);
    return entry != found->second.addresses.end() && entry->second > now;
}

LearnedNames::LearnedNames(const Clock& clock) : clock_(clock), own_(limits::learned_names) {}

NameTable& LearnedNames::table_of(std::string_view agent, Moment now) {
    const std::string key(agent);
    if (const auto found = agents_.find(key); found != agents_.end()) {
        found->second.last_learned = now;
        return found->second.names;
    }
    if (agents_.size() >= limits::dns_agents) {
        const auto by_time = [](const auto& left, const auto& right) {
            return left.second.last_learned < right.second.last_learned;
        };
        agents_.erase(std::ranges::min_element(agents_, by_time));
    }
    return agents_.emplace(key, Agent{NameTable(limits::learned_names_per_agent), now}).first->second.names;
}

void LearnedNames::learn(std::string_view agent, std::string_view name, const model::IpAddress& address,
                         std::uint32_t ttl_seconds, bool is_of_target) {
    const Duration life = std::clamp<Duration>(std::chrono::seconds(ttl_seconds), least_life, longest_life);
    const auto now = clock_.now();
    const std::unique_lock lock(mutex_);
    table_of(agent, now).add(plain_name(name), address, later(now, life), now, is_of_target);
}

bool LearnedNames::leads_to(std::string_view agent, std::string_view host, const model::IpAddress& address) const {
    const auto name = plain_name(host);
    const auto now = clock_.now();
    const std::shared_lock lock(mutex_);
    if (own_.leads_to(name, address, now)) return true;
    const auto found = agents_.find(std::string(agent));
    return found != agents_.end() && found->second.names.leads_to(name, address, now);
}

std::size_t LearnedNames::size(std::string_view agent) const {
    const std::shared_lock lock(mutex_);
    const auto found = agents_.find(std::string(agent));
    return found == agents_.end() ? 0 : found->second.names.size();
}

std::vector<std::string> LearnedNames::resolve_now(std::span<const std::string> names, std::chrono::seconds life) {
    std::vector<std::string> failed;
    for (const auto& name : names) {
        addrinfo hints{};
        hints.ai_family = AF_UNSPEC;
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* raw = nullptr;
        const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &raw);
        const std::unique_ptr<addrinfo, FreeAddresses> list(raw);
        if (error != 0) {
            failed.push_back(fmt::format("{}: {}", name, ::gai_strerror(error)));
            continue;
        }
        const auto now = clock_.now();
        const std::unique_lock lock(mutex_);
        for (const addrinfo* each = list.get(); each != nullptr; each = each->ai_next) {
            sockaddr_storage storage{};
            std::memcpy(&storage, each->ai_addr, std::min<std::size_t>(each->ai_addrlen, sizeof(storage)));
            if (const auto endpoint = model::Endpoint::from(storage))
                own_.add(plain_name(name), endpoint->address, later(now, life), now, true);
        }
    }
    return failed;
}

}  // namespace assent::resolve
