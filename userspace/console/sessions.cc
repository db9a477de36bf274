#include "console/sessions.h"

#include <algorithm>
#include <array>

#include "base/limits.h"

namespace assent::console {

std::string random_id() {
    std::array<std::byte, 32> bytes{};
    fill_random(bytes);
    return to_hex(bytes);
}

bool Sessions::is_over(const Known& known) const {
    return clock_.now() - known.used > idle_ || clock_.wall() >= known.session.ends;
}

Sessions::Table::iterator Sessions::find(std::string_view id) {
    const auto found = sessions_.find(sha256(as_bytes(id)));
    if (found == sessions_.end() || !is_over(found->second)) return found;
    sessions_.erase(found);
    return sessions_.end();
}

void Sessions::make_room(const std::string& person) {
    std::erase_if(sessions_, [&](const auto& each) { return is_over(each.second); });
    const auto is_used_before = [](const auto& left, const auto& right) { return left.second.used < right.second.used; };
    const auto of_person = [&](const auto& each) { return each.second.session.person == person; };
    while (static_cast<std::size_t>(std::ranges::count_if(sessions_, of_person)) >= limits::console_sessions_per_person) {
        auto oldest = std::ranges::find_if(sessions_, of_person);
        for (auto each = oldest; each != sessions_.end(); ++each) {
            if (of_person(*each) && is_used_before(*each, *oldest)) oldest = each;
        }
        sessions_.erase(oldest);
    }
    while (sessions_.size() >= limits::console_sessions)
        sessions_.erase(std::ranges::min_element(sessions_, is_used_before));
}

std::string Sessions::open(Login login, std::string person) {
    const std::scoped_lock lock(mutex_);
    make_room(person);
    std::string id = random_id();
    WallTime ends = clock_.wall() + longest_;
    if (login.refresh_token.empty()) ends = std::min(ends, login.expires);
    Session session{std::move(login), std::move(person), random_id(), ends};
    sessions_.insert_or_assign(sha256(as_bytes(id)), Known{std::move(session), clock_.now(), clock_.now(), false});
    return id;
}

std::optional<Session> Sessions::use(std::string_view id) {
    const std::scoped_lock lock(mutex_);
    const auto found = find(id);
    if (found == sessions_.end()) return std::nullopt;
    found->second.used = clock_.now();
    return found->second.session;
}

std::optional<Session> Sessions::look(std::string_view id) {
    const std::scoped_lock lock(mutex_);
    const auto found = find(id);
    if (found == sessions_.end()) return std::nullopt;
    return found->second.session;
}

bool Sessions::begin_renewal(std::string_view id) {
    const std::scoped_lock lock(mutex_);
    const auto found = find(id);
    if (found == sessions_.end()) return false;
    Known& known = found->second;
    const Login& login = known.session.login;
    const bool is_due = !login.refresh_token.empty() && clock_.wall() >= login.renews;
    if (!is_due || known.is_renewing || clock_.now() < known.renews_again) return false;
    known.is_renewing = true;
    return true;
}

bool Sessions::end_renewal(std::string_view id, Login login, bool is_renewed) {
    const std::scoped_lock lock(mutex_);
    renewed_.notify_all();
    const auto found = find(id);
    if (found == sessions_.end()) return false;
    Known& known = found->second;
    known.is_renewing = false;
    known.renews_again =
        clock_.now() + (is_renewed ? limits::console_renewed_at_most_every : limits::console_renewed_again_after);
    known.session.login = std::move(login);
    return true;
}

std::optional<Session> Sessions::await_renewal(std::string_view id) {
    std::unique_lock lock(mutex_);
    auto found = find(id);
    renewed_.wait_for(lock, limits::console_renewal_waited_for, [&] {
        found = find(id);
        return found == sessions_.end() || !found->second.is_renewing;
    });
    if (found == sessions_.end()) return std::nullopt;
    return found->second.session;
}

bool Sessions::is_open(std::string_view id) {
    const std::scoped_lock lock(mutex_);
    return find(id) != sessions_.end();
}

void Sessions::end(std::string_view id) {
    const std::scoped_lock lock(mutex_);
    sessions_.erase(sha256(as_bytes(id)));
}

std::size_t Sessions::count() const {
    const std::scoped_lock lock(mutex_);
    return sessions_.size();
}

}  // namespace assent::console
