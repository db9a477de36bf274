#include "app/agent_tokens.h"

#include <pthread.h>

#include <algorithm>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/json_writer.h"
#include "base/limits.h"
#include "base/shown_text.h"
#include "kernel/cgroup.h"
#include "kernel/in_place_of.h"
#include "session/recorder.h"

namespace assent::app {
namespace {

constexpr std::string_view unit_word = "{unit}";

std::string renewal_of(const std::string& file) {
    if (file.empty()) return "Run 'assent login' with a new token.";
    return fmt::format("A new token belongs into {}.", shown_text(file));
}

TokenPointer with_renewal(const TokenPointer& token, const std::string& file) {
    auto out = std::make_shared<model::AgentToken>(*token);
    out->renewal = renewal_of(file);
    return out;
}

TokenPointer pending_token(const std::string& file) {
    auto out = std::make_shared<model::AgentToken>();
    out->is_pending = true;
    out->renewal = renewal_of(file);
    return out;
}

TokenPointer failed_token(const std::string& file, const std::string& why) {
    auto out = std::make_shared<model::AgentToken>();
    out->failure = why;
    out->renewal = renewal_of(file);
    return out;
}

std::string file_of_unit(std::string pattern, const std::string& unit) {
    for (auto at = pattern.find(unit_word); at != std::string::npos; at = pattern.find(unit_word, at + unit.size()))
        pattern.replace(at, unit_word.size(), unit);
    return pattern;
}

}  // namespace

std::string cgroup_of_agent(const model::Agent& agent) {
    if (agent.unit.empty()) return agent.cgroup_path;
    const std::string component = "/" + agent.unit;
    for (auto at = agent.cgroup_path.find(component); at != std::string::npos;
         at = agent.cgroup_path.find(component, at + 1)) {
        const auto end = at + component.size();
        if (end == agent.cgroup_path.size() || agent.cgroup_path[end] == '/') return agent.cgroup_path.substr(0, end);
    }
    return agent.cgroup_path;
}

AgentTokens::AgentTokens(Parts parts) : parts_(std::move(parts)) {
    for (const auto& unit : parts_.issuers.settings().units) unit_globs_.emplace_back(unit.unit);
}

Result<std::unique_ptr<AgentTokens>> AgentTokens::open(Parts parts) {
    std::unique_ptr<AgentTokens> out(new AgentTokens(std::move(parts)));
    if (auto loaded = out->load(); !loaded) return std::unexpected(std::move(loaded.error()));
    return out;
}

void AgentTokens::start() {
    thread_ = std::thread([this] { run(); });
}

void AgentTokens::stop() {
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
}

std::size_t AgentTokens::count() const {
    const std::lock_guard lock(mutex_);
    return bindings_.size();
}

// ---- what agents have

bool AgentTokens::is_there(const std::string& path, std::uint64_t cgroup_id) const {
    const auto id = kernel::cgroup_id_of(kernel::cgroup_folder(parts_.cgroup_root, path));
    return id && *id == cgroup_id;
}

AgentTokens::Bindings::iterator AgentTokens::find(const std::string& cgroup_path) {
    std::string path = cgroup_path;
    while (true) {
        if (const auto found = bindings_.find(path); found != bindings_.end()) return found;
        const auto parent = path.rfind('/');
        if (parent == std::string::npos || parent == 0) return bindings_.end();
        path.resize(parent);
    }
}

const policy::IdentitySettings::UnitToken* AgentTokens::of_unit(const std::string& unit) const {
    if (unit.empty()) return nullptr;
    for (std::size_t i = 0; i < unit_globs_.size(); ++i) {
        if (unit_globs_[i].matches(unit)) return &parts_.issuers.settings().units[i];
    }
    return nullptr;
}

void AgentTokens::describe(model::Agent& agent) {
    const std::lock_guard lock(mutex_);
    const auto found = find(agent.cgroup_path);
    // The cgroup of before may have gone, and its name come back: that is another agent.
    if (found != bindings_.end() && is_there(found->first, found->second.cgroup_id)) {
        agent.token = found->second.token;
        return;
    }
    const auto* unit = of_unit(agent.unit);
    if (unit == nullptr) return;
    const auto path = cgroup_of_agent(agent);
    const auto id = kernel::cgroup_id_of(kernel::cgroup_folder(parts_.cgroup_root, path));
    Binding binding;
    binding.source = Binding::Source::unit;
    binding.file = file_of_unit(unit->file, agent.unit);
    if (!id || (bindings_.size() >= limits::bound_tokens && !bindings_.contains(path))) {
        agent.token = failed_token(binding.file, id ? "too many cgroups have tokens" : "its cgroup is gone");
        return;
    }
    binding.cgroup_id = *id;
    binding.token = pending_token(binding.file);
    agent.token = binding.token;
    bindings_.insert_or_assign(path, std::move(binding));
    is_wanted_ = true;
    wake_.notify_one();
}

Result<TokenPointer> AgentTokens::try_file(const std::string& file, uid_t reader) const {
    const auto caller = kernel::caller_of_user(reader);
    if (!caller) return std::unexpected(caller.error());
    const auto text = read_token_file(file, *caller);
    if (!text) return std::unexpected(text.error());
    auto token = parts_.issuers.verify_agent(*text);
    if (!token) return fail(token.error().code, fmt::format("{}: {}", shown_text(file), token.error().message));
    return with_renewal(*token, file);
}

Result<> AgentTokens::add(const std::string& path, Binding binding) {
    auto recorded = record("bound", path, binding);
    if (!recorded) return recorded;
    const TokenPointer token = binding.token;
    {
        const std::lock_guard lock(mutex_);
        if (bindings_.size() >= limits::bound_tokens && !bindings_.contains(path))
            return fail(Errc::limit, "too many cgroups have tokens");
        bindings_.insert_or_assign(path, std::move(binding));
    }
    if (auto saved = save(); !saved) {
        const std::lock_guard lock(mutex_);
        bindings_.erase(path);
        return saved;
    }
    parts_.changed(path, token);
    return {};
}

Result<> AgentTokens::bind_file(const std::string& cgroup_path, std::uint64_t cgroup_id, const std::string& file,
                                uid_t reader, TokenPointer token) {
    Binding binding;
    binding.source = Binding::Source::file;
    binding.cgroup_id = cgroup_id;
    binding.file = file;
    binding.reader = reader;
    binding.token = std::move(token);
    // Without a version: it may have changed since it was read, and is looked at once more.
    return add(cgroup_path, std::move(binding));
}

Result<TokenPointer> AgentTokens::bind_given(const model::Agent& agent, std::string_view token) {
    const auto path = cgroup_of_agent(agent);
    if (of_unit(agent.unit) != nullptr)
        return fail(Errc::denied, "the settings of this host say where this unit's token is kept");
    {
        const std::lock_guard lock(mutex_);
        const auto found = find(agent.cgroup_path);
        const bool has_file = found != bindings_.end() && found->second.source != Binding::Source::given &&
                              is_there(found->first, found->second.cgroup_id);
        if (has_file)
            return fail(Errc::denied, fmt::format("this agent's token is kept in {}; it is taken from there when it changes",
                                                  shown_text(found->second.file)));
    }
    const auto id = kernel::cgroup_id_of(kernel::cgroup_folder(parts_.cgroup_root, path));
    if (!id) return std::unexpected(id.error());
    auto verified = parts_.issuers.verify_agent(token);
    if (!verified) return verified;
    Binding binding;
    binding.cgroup_id = *id;
    binding.token = with_renewal(*verified, {});
    TokenPointer bound = binding.token;
    if (auto added = add(path, std::move(binding)); !added) return std::unexpected(std::move(added.error()));
    return bound;
}

// ---- looking after them, on a thread of their own

void AgentTokens::run() {
    ::pthread_setname_np(::pthread_self(), "assentd-tokens");
    std::unique_lock lock(mutex_);
    while (!is_stopping_) {
        is_wanted_ = false;
        lock.unlock();
        look_around();
        lock.lock();
        wake_.wait_for(lock, limits::token_file_look, [this] { return is_wanted_ || is_stopping_; });
    }
}

void AgentTokens::look_around() {
    std::vector<std::pair<std::string, Binding>> all;
    {
        const std::lock_guard lock(mutex_);
        all.assign(bindings_.begin(), bindings_.end());
    }
    // Agents that wait come first.
    std::ranges::stable_partition(all, [](const auto& one) { return one.second.token->is_pending; });
    for (auto& [path, binding] : all) {
        if (is_there(path, binding.cgroup_id)) {
            look_at(path, std::move(binding));
            continue;
        }
        {
            const std::lock_guard lock(mutex_);
            const auto found = bindings_.find(path);
            if (found == bindings_.end() || found->second.cgroup_id != binding.cgroup_id) continue;
            bindings_.erase(found);
        }
        if (binding.source == Binding::Source::unit) continue;
        if (const auto saved = save(); !saved) spdlog::error("{}", saved.error().message);
    }
}

void AgentTokens::look_at(const std::string& path, Binding binding) {
    tell_expiry(path, binding);
    if (binding.file.empty()) return;
    const auto now = std::chrono::steady_clock::now();
    const auto version = version_of(binding.file);
    const bool has_changed = version != binding.version;
    const bool has_failed = !binding.token->failure.empty();
    if (!binding.token->is_pending && !has_changed && !has_failed) return;
    if (now < binding.next_try && !(has_failed && has_changed)) return;
    Binding after = binding;
    const auto token = try_file(binding.file, binding.reader);
    const bool was_good = binding.token->is_good(system_clock().wall());
    after.next_try = {};
    if (token) {
        after.version = version;
        after.token = *token;
        after.is_second_look = false;
        after.is_expiry_told = false;
    } else if (was_good && token.error().code == Errc::unavailable) {
        after.next_try = now + limits::token_retry;  // what is known is good until it expires
    } else if (was_good && !binding.is_second_look) {
        after.is_second_look = true;  // it may be half written
    } else {
        after.version = version;
        after.is_second_look = false;
        after.next_try = now + limits::token_retry;
        after.token = failed_token(binding.file, token.error().message);
    }
    publish(path, binding, after);
}

void AgentTokens::publish(const std::string& path, const Binding& before, const Binding& after) {
    const bool is_news = *before.token != *after.token;
    {
        const std::lock_guard lock(mutex_);
        const auto found = bindings_.find(path);
        // Somebody may have bound another one meanwhile.
        if (found == bindings_.end() || found->second.token != before.token) return;
        found->second = after;
    }
    if (!is_news) return;
    if (after.source != Binding::Source::unit) {
        if (const auto saved = save(); !saved) spdlog::error("{}", saved.error().message);
    }
    const std::string_view event = !after.token->failure.empty() ? "failed" : before.token->is_pending ? "bound" : "changed";
    if (const auto recorded = record(event, path, after); !recorded)
        spdlog::error("recording that a token of {} {}: {}", path, event, recorded.error().message);
    parts_.changed(path, after.token);
}

void AgentTokens::tell_expiry(const std::string& path, const Binding& binding) {
    const auto& token = *binding.token;
    if (binding.is_expiry_told || token.is_pending || !token.failure.empty() || token.is_good(system_clock().wall())) return;
    {
        const std::lock_guard lock(mutex_);
        const auto found = bindings_.find(path);
        if (found == bindings_.end() || found->second.token != binding.token) return;
        found->second.is_expiry_told = true;
    }
    if (const auto recorded = record("expired", path, binding); !recorded) spdlog::error("{}", recorded.error().message);
    spdlog::warn("the token of the agent in {} has expired: its commands are denied", path);
}

Result<> AgentTokens::record(std::string_view event, const std::string& path, const Binding& binding) const {
    std::string members;
    JsonWriter writer(members);
    writer.member("event", event).member("cgroup", path).member("cgroup_id", binding.cgroup_id);
    if (!binding.file.empty()) writer.member("file", binding.file);
    writer.raw("token", session::token_json(*binding.token));
    return parts_.record({model::record_type::agent_token, {}, members, {}, true});
}

}  // namespace assent::app
