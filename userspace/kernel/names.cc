#include "kernel/names.h"

#include <netdb.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include <fmt/format.h>

#include "base/limits.h"

namespace assent::kernel {
namespace {

std::string plain(std::string_view name) {
    while (name.ends_with('.')) name.remove_suffix(1);
    std::string out(name);
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

struct FreeAddresses {
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

}  // namespace

void LearnedNames::learn(std::string_view name, const model::IpAddress& address, std::uint32_t ttl_seconds) {
    const Duration life = std::chrono::seconds(ttl_seconds);
    add(name, address, std::clamp<Duration>(life, least_life, longest_life), false);
}

void LearnedNames::make_room(Moment now) {
    for (auto& [name, known] : names_)
        std::erase_if(known.addresses, [&](const auto& entry) { return entry.second <= now; });
    std::erase_if(names_, [](const auto& entry) { return entry.second.addresses.empty() && !entry.second.is_wanted; });
    if (names_.size() < limits::learned_names) return;
    const auto end_of = [](const Name& name) {
        Moment last = Moment::min();
        for (const auto& [address, until] : name.addresses) last = std::max(last, until);
        return last;
    };
    auto first = names_.end();
    for (auto it = names_.begin(); it != names_.end(); ++it)
        if (!it->second.is_wanted && (first == names_.end() || end_of(it->second) < end_of(first->second))) first = it;
    if (first != names_.end()) names_.erase(first);
}

void LearnedNames::add(std::string_view name, const model::IpAddress& address, Duration life, bool is_wanted) {
    const auto key = plain(name);
    if (key.empty()) return;
    const auto now = clock_.now();
    const std::unique_lock lock(mutex_);
    if (!names_.contains(key)) {
        if (names_.size() >= limits::learned_names) make_room(now);
        if (names_.size() >= limits::learned_names) return;
    }
    auto& known = names_[key];
    known.is_wanted |= is_wanted;
    std::erase_if(known.addresses, [&](const auto& entry) { return entry.second <= now; });
    const bool has_room = known.addresses.size() < limits::addresses_per_name || known.addresses.contains(address);
    if (!has_room) {
        const auto by_end = [](const auto& left, const auto& right) { return left.second < right.second; };
        known.addresses.erase(std::ranges::min_element(known.addresses, by_end));
    }
    auto& until = known.addresses[address];
    until = std::max(until, now + std::chrono::duration_cast<Moment::duration>(life));
}

bool LearnedNames::leads_to(std::string_view host, const model::IpAddress& address) const {
    const auto key = plain(host);
    const std::shared_lock lock(mutex_);
    const auto found = names_.find(key);
    if (found == names_.end()) return false;
    const auto entry = found->second.addresses.find(address);
    return entry != found->second.addresses.end() && entry->second > clock_.now();
}

std::vector<std::string> LearnedNames::names_of(const model::IpAddress& address) const {
    const auto now = clock_.now();
    const std::shared_lock lock(mutex_);
    std::vector<std::string> out;
    for (const auto& [name, known] : names_)
        if (const auto entry = known.addresses.find(address); entry != known.addresses.end() && entry->second > now)
            out.push_back(name);
    return out;
}

std::vector<model::IpAddress> LearnedNames::addresses_of(std::string_view host) const {
    const auto key = plain(host);
    const auto now = clock_.now();
    const std::shared_lock lock(mutex_);
    std::vector<model::IpAddress> out;
    if (const auto found = names_.find(key); found != names_.end())
        for (const auto& [address, until] : found->second.addresses)
            if (until > now) out.push_back(address);
    return out;
}

std::size_t LearnedNames::size() const {
    const std::shared_lock lock(mutex_);
    return names_.size();
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
        for (const addrinfo* each = list.get(); each != nullptr; each = each->ai_next) {
            sockaddr_storage storage{};
            std::memcpy(&storage, each->ai_addr, std::min<std::size_t>(each->ai_addrlen, sizeof(storage)));
            if (const auto endpoint = model::Endpoint::from(storage)) add(name, endpoint->address, life, true);
        }
    }
    return failed;
}

}  // namespace assent::kernel
