// What the daemon answers to the console, to the notifier, and to programs with tokens of this host.
#include <pwd.h>

#include <array>

#include <spdlog/spdlog.h>

#include "app/daemon_parts.h"
#include "app/policy_requests.h"
#include "base/limits.h"

namespace assent::app {
namespace {

// Nothing where there is no such user: then there is no such service either.
std::optional<uid_t> uid_of(const std::string& user) {
    std::array<char, 16 * 1024> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
        return std::nullopt;
    return found->pw_uid;
}

}  // namespace

Result<> Daemon::add_console_requests() {
    auto tokens = ApiTokens::open(settings_.state, system_clock());
    if (!tokens) return std::unexpected(std::move(tokens.error()));
    api_tokens_ = std::move(*tokens);
    const auto durable = [this](const model::RecordDraft& draft) { return record(draft); };
    const auto decide = [this] { return deciders(); };
    control_->identify_by([this](std::string_view token) -> Result<approve::Person> {
        if (ApiTokens::is_one(token)) return api_tokens_->identify(token);
        return issuers_->identify(token);
    });
    control_->authorize_by([](const control::Peer& peer, std::string_view verb) -> Result<> {
        if (peer.person.scopes.empty() || scopes_cover(peer.person.scopes, verb)) return {};
        return fail(Errc::denied, "the scopes of this token do not cover that");
    });
    add_token_requests(*control_, *api_tokens_, durable);
    add_policy_requests(*control_,
                        {[this] { return policies_.current(); }, [this] { return policies_.describe(); }, decide, durable});
    const auto notifier = settings_.notify.is_wanted ? uid_of(settings_.notify.user) : std::optional<uid_t>(0);
    if (!notifier) spdlog::warn("there is no user {}: only root takes notices", settings_.notify.user);
    add_notice_requests(*control_, {notices_, *desk_, notifier.value_or(0), durable, system_clock()});
    if (settings_.console.is_wanted) {
        if (const auto console = uid_of(settings_.console.user); console && *console != 0)
            control_->reserve_for(*console, limits::control_clients_for_console);
    }
    return {};
}

}  // namespace assent::app
