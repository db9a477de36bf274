#include "app/worker.h"

#include <condition_variable>
#include <mutex>
#include <optional>

#include <spdlog/spdlog.h>

#include "app/lookups.h"
#include "app/session_id.h"
#include "base/json_writer.h"
#include "base/limits.h"
#include "kernel/cgroup.h"
#include "resolve/agent_key.h"
#include "secrets/secret.h"

namespace assent::app {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t recorded_refusals_a_second = 20;
constexpr std::uint16_t dns_port = 53;

}  // namespace

Worker::Worker(WorkerServices services, std::shared_ptr<const policy::Policy> policy)
    : services_(std::move(services)),
      policy_(std::move(policy)),
      cache_(session::make_cache()),
      target_tls_(services_.tls_folder) {}

Result<std::unique_ptr<Worker>> Worker::make(WorkerServices services, std::shared_ptr<const policy::Policy> policy) {
    auto loop = io::Loop::make();
    if (!loop) return std::unexpected(loop.error());
    std::unique_ptr<Worker> worker(new Worker(std::move(services), std::move(policy)));
    worker->loop_ = std::move(*loop);
    Worker* self = worker.get();
    // The writer's thread calls this: it wakes the loop, once until it has looked.
    worker->records_ = &worker->services_.log.add_lane([self] {
        if (!self->has_records_moved_.exchange(true)) self->loop_->post([self] { self->records_moved(false); });
    });
    worker->loop_->on_round([self] { self->round(); });
    return worker;
}

Worker::~Worker() { stop(); }

Result<> Worker::listen(Fd socket) {
    return loop_->accept_from(std::move(socket), [this](Fd accepted_socket) { accepted(std::move(accepted_socket), {}); });
}

void Worker::listen_for(Fd socket, const std::string& name) {
    auto shared = std::make_shared<Fd>(std::move(socket));
    loop_->post([this, shared, name] {
        const auto result = loop_->accept_from(
            std::move(*shared), [this, name](Fd accepted_socket) { accepted(std::move(accepted_socket), name); });
        if (!result) spdlog::error("listening for {}: {}", name, result.error().message);
    });
}

Result<> Worker::start() {
    pthread_attr_t attributes;
    if (::pthread_attr_init(&attributes) != 0) return fail(Errc::internal, "pthread_attr_init");
    // The parser of statements recurses deeply on what strangers send; untouched pages of the stack cost nothing.
    ::pthread_attr_setstacksize(&attributes, limits::parser_stack_size);
    const int error = ::pthread_create(
        &thread_, &attributes,
        [](void* self) -> void* {
            static_cast<Worker*>(self)->run();
            return nullptr;
        },
        this);
    ::pthread_attr_destroy(&attributes);
    if (error != 0) return fail_errno("starting a worker", error);
    is_started_ = true;
    return {};
}

void Worker::run() {
    ::pthread_setname_np(::pthread_self(), "assentd-flows");
    every_second();
    loop_->run();
    second_.reset();
    cancels_.clear();
    for (auto& [id, flow] : flows_) flow->abandon();
    flows_.clear();
    may_end_.wait(false);  // whoever posted last must have come back from it
    loop_.reset();
}

void Worker::stop() {
    if (!is_started_) return;
    is_started_ = false;
    loop_->post([this] { loop_->stop(); });
    may_end_ = true;
    may_end_.notify_one();
    ::pthread_join(thread_, nullptr);
}

// ---- from other threads

void Worker::set_policy(std::shared_ptr<const policy::Policy> policy) {
    loop_->post([this, policy = std::move(policy)] {
        policy_ = policy;
        target_tls_.forget();
        for (auto& [id, flow] : flows_) flow->session_call([&](auto& session) { session.policy_changed(policy); });
    });
}

void Worker::set_token(const std::string& cgroup_path, std::shared_ptr<const model::AgentToken> token) {
    loop_->post([this, cgroup_path, token = std::move(token)] {
        for (auto& [id, flow] : flows_) {
            if (!kernel::is_within(flow->description().agent.cgroup_path, cgroup_path)) continue;
            flow->session_call([&](auto& session) { session.token_changed(token); });
        }
    });
}

void Worker::drain() {
    loop_->post([this] {
        loop_->stop_accepting();
        drain_sessions();
    });
}

void Worker::drain_sessions() {
    is_draining_ = true;
    for (auto& [id, flow] : flows_) flow->session_call([](auto& session) { session.drain(); });
}

void Worker::retire() {
    retiring_count_ = flow_count_.load();  // not 0 before the worker has come to it
    loop_->post([this] {
        for (auto& [id, flow] : flows_) retiring_.insert(flow.get());
        retiring_count_ = retiring_.size();
        for (Flow* flow : retiring_) flow->session_call([](auto& session) { session.drain(); });
    });
}

void Worker::end_retiring(const std::string& by, const std::string& reason) {
    loop_->post([this, by, reason] {
        for (Flow* flow : retiring_) flow->session_call([&](auto& session) { session.end(by, reason); });
    });
}

void Worker::release() {
    loop_->post([this] {
        loop_->release_listeners([this] {
            drain_sessions();
            is_released_ = true;
        });
    });
}

std::vector<std::string> Worker::collect(std::function<std::string(const Flow&)> describe_flow) {
    struct Collected {
        std::mutex mutex;
        std::condition_variable is_done;
        std::optional<std::vector<std::string>> texts;
    };
    auto collected = std::make_shared<Collected>();
    loop_->post([this, collected, describe_flow = std::move(describe_flow)] {
        std::vector<std::string> texts;
        for (const auto& [id, flow] : flows_) texts.push_back(describe_flow(*flow));
        const std::lock_guard lock(collected->mutex);
        collected->texts = std::move(texts);
        collected->is_done.notify_one();
    });
    std::unique_lock lock(collected->mutex);
    // A worker that is busy for longer is left out of the answer rather than waited for.
    collected->is_done.wait_for(lock, 2s, [&] { return collected->texts.has_value(); });
    return collected->texts.value_or(std::vector<std::string>());
}

std::vector<std::string> Worker::describe_sessions() {
    return collect([](const Flow& flow) { return "{" + flow.session().describe() + "}"; });
}

std::vector<std::string> Worker::session_ids() {
    return collect([](const Flow& flow) { return flow.id(); });
}

void Worker::end_session(const std::string& session, const std::string& by, const std::string& reason) {
    post_to_session(session, [by, reason](session::Session& ended) { ended.end(by, reason); });
}

void Worker::end_under(const std::string& grant, const std::string& by, const std::string& reason) {
    loop_->post([this, grant, by, reason] {
        for (auto& [id, flow] : flows_) flow->session_call([&](auto& session) { session.grant_revoked(grant, by, reason); });
    });
}

void Worker::end_all(const std::string& by, const std::string& reason) {
    loop_->post([this, by, reason] {
        for (auto& [id, flow] : flows_) flow->session_call([&](auto& session) { session.end(by, reason); });
    });
}

void Worker::post_to_session(std::string session, std::function<void(session::Session&)> call) {
    loop_->post([this, session = std::move(session), call = std::move(call)] {
        if (Flow* flow = find(session)) flow->session_call(call);
    });
}

void Worker::hold_answered(const std::string& session, const HoldAnswer& answer) {
    post_to_session(session, [answer](session::Session& waiting) {
        if (const auto* status = std::get_if<model::HoldStatus>(&answer)) return waiting.hold_changed(*status);
        if (const auto* failed = std::get_if<HoldFailed>(&answer)) return waiting.hold_failed(failed->why);
        if (const auto* used = std::get_if<HoldUsed>(&answer)) return waiting.hold_used(used->was_free);
    });
}

void Worker::cancel_session(const std::string& session, std::function<void(bool was_held)> answered) {
    loop_->post([this, session, answered = std::move(answered)] {
        bool was_held = false;
        if (Flow* flow = find(session))
            flow->session_call([&](auto& cancelled) { was_held = cancelled.cancel_requested(); });
        answered(was_held);
    });
}

// ---- a connection comes

Flow* Worker::find(const std::string& session) {
    const auto found = flows_.find(session);
    return found == flows_.end() ? nullptr : found->second.get();
}

void Worker::accepted(Fd socket, const std::string& unix_name) {
    const auto origin = services_.origin_of(socket.get(), unix_name);
    if (!origin) return refuse(origin.error().message, nullptr);
    if (const std::string why = services_.why_refused(origin->agent); !why.empty()) return refuse(why, &*origin);
    if (is_draining_) return refuse("the service is stopping", &*origin);
    // Each would leave records behind it, too.
    if (kept_.is_over_limit()) return refuse("records cannot be written, and too many wait", &*origin);
    if (flows_.size() >= limits::flows_per_thread) return refuse("too many flows are open", &*origin);
    const auto agent = resolve::agent_key(origin->agent.cgroup_path);
    const auto open_of_agent = flows_of_.find(agent);
    if (open_of_agent != flows_of_.end() && open_of_agent->second >= limits::flows_per_agent)
        return refuse("too many flows of this agent are open", &*origin);
    auto description = describe(*origin);
    if (!description) return refuse(description.error().message, &*origin);
    if (!description->target && origin->asked_for.port == dns_port) return services_.serve_dns(std::move(socket), *origin);
    FlowStart start{std::move(socket), std::move(*description), services_.names_generation, std::nullopt};
    if (origin->asked_for.is_unix()) {
        auto caller = kernel::unix_caller_of(start.agent.get());
        if (!caller) return refuse(caller.error().message, &*origin);
        start.caller = std::move(*caller);
    }
    const std::string id = start.description.id;
    Flow& flow = *flows_.emplace(id, std::make_unique<Flow>(std::move(start), *this)).first->second;
    ++flows_of_[agent];
    flow_count_.store(flows_.size(), std::memory_order_relaxed);
    flow.open([this](session::Flow made, session::Ports& ports) {
        return session::make_session(std::move(made), policy_, cache_, ports);
    });
}

Result<session::Flow> Worker::describe(const kernel::Origin& origin) const {
    session::Flow flow;
    flow.id = make_session_id(clock().wall());
    flow.agent = origin.agent;
    flow.asked_for = origin.asked_for;
    flow.kernel_lacks = services_.kernel_lacks;
    flow.unlisted = services_.unlisted;
    flow.mask_key = services_.mask_key;
    flow.waits_for_reads = services_.waits_for_reads;
    // Loopback of another network namespace is another place than ours, whose address a target may have.
    if (origin.agent.network != 0 && origin.asked_for.address.is_loopback()) return flow;
    const policy::Target* target = policy_->target_at(origin.asked_for, NamesOfAgent(services_.names, origin.agent));
    if (target == nullptr) return flow;
    flow.target = *target;
    // What stays inside this host has no TLS, and needs none.
    if (origin.asked_for.is_unix()) flow.target->tls = policy::UpstreamTls::disable;
    if (!target->credential.empty()) {
        const policy::Credential* credential = policy_->credential(target->credential);
        if (credential == nullptr)
            return fail(Errc::internal, "the credential '" + target->credential + "' is not in the policy");
        auto password = secrets::read_secret(credential->password_file);
        // The session says so to its agent, and to the record.
        if (!password) flow.credential_failure = "the credential '" + target->credential + "': " + password.error().message;
        if (password) flow.credential = session::Credential{credential->user, std::move(*password)};
    }
    // An agent's own SCRAM cannot be passed from a TLS connection to another one: servers see it as a downgrade.
    if (origin.asked_for.is_unix()) return flow;
    const bool may_offer = !target->credential.empty() || target->tls == policy::UpstreamTls::disable;
    flow.offers_tls = may_offer && target_tls_.towards_agent(*target, origin.asked_for).has_value();
    return flow;
}

void Worker::refuse(std::string_view why, const kernel::Origin* origin) {
    if (origin != nullptr) {
        services_.last_refusals.add(
            origin->agent.cgroup_id, origin->agent.uid,
            {clock().wall(), "connect to " + origin->asked_for.to_text(),
             "assent refused this connection: " + std::string(why), "cause=connection retry=later", ""});
    }
    if (++refusals_this_second_ > recorded_refusals_a_second) {
        ++refusals_left_out_;
        return;
    }
    std::string members;
    JsonWriter writer(members);
    writer.member("why", why);
    if (origin != nullptr) {
        writer.member("asked_for", origin->asked_for.to_text()).member("agent", origin->agent.name());
        writer.member("pid", origin->agent.pid).member("uid", origin->agent.uid);
    }
    if (!records_->append({model::record_type::flow_refused, {}, members, {}, false})) ++refusals_left_out_;
    spdlog::warn("a connection is refused: {}", why);
}

void Worker::tell(const model::RecordDraft& draft) {
    retry_kept();
    if (!kept_.is_empty() || !records_->append(draft)) kept_.add(draft, clock().wall());
    kept_count_.store(kept_.count(), std::memory_order_relaxed);
}

void Worker::retry_kept() {
    if (!kept_.is_empty()) kept_.retry(*records_);
    kept_count_.store(kept_.count(), std::memory_order_relaxed);
}

// ---- what flows need

void Worker::open_hold(Flow&, const model::HoldRequest& request) { services_.holds.open(*this, request); }

void Worker::use_hold(Flow& flow, std::string_view id) { services_.holds.use(*this, flow.id(), id); }

void Worker::leave_hold(Flow& flow, std::string_view id, bool is_cancelled) {
    services_.holds.leave(flow.id(), id, is_cancelled);
}

std::string Worker::why_suspended(const Flow& flow, const std::vector<std::string>& sets) const {
    return services_.suspensions.why(flow.description().agent.name(), sets);
}

std::vector<model::RuleLimit> Worker::count(const Flow& flow, const std::vector<model::RuleLimit>& limits) {
    return services_.rule_limits.count(flow.description().agent.name(), limits);
}

void Worker::refused(const Flow& flow, session::Ports::RefusedBy by, const wire::Refusal& refusal,
                     std::string_view command) {
    using enum session::Ports::RefusedBy;
    const model::Agent& agent = flow.description().agent;
    services_.last_refusals.add(agent.cgroup_id, agent.uid,
                                {clock().wall(), std::string(command.substr(0, limits::refusal_text_remembered)),
                                 refusal.message, refusal.detail, refusal.hint});
    if (by != other) services_.suspensions.denied(agent.name(), by == rule);
}

std::uint32_t Worker::remember_cancel_key(Flow& flow, std::uint32_t process, std::uint32_t secret) {
    if (flow.cancel_secret() != 0) services_.cancel_keys.remove(flow.cancel_secret());
    const session::Flow& description = flow.description();
    CancelKey key;
    key.owner = this;
    key.session = flow.id();
    key.agent = description.agent.name();
    key.cgroup_id = description.agent.cgroup_id;
    key.uid = description.agent.uid;
    key.target = description.asked_for;
    if (description.target)
        key.tls = target_tls_.towards_target(*description.target, description.asked_for).value_or(nullptr);
    key.process = process;
    key.secret = secret;
    return services_.cancel_keys.add(key);
}

void Worker::cancel(Flow& flow, std::uint32_t process, std::uint32_t secret) {
    const auto key = services_.cancel_keys.find(process, secret);
    if (key && key->is_of(flow.description().agent)) return cancel_of(flow, *key);
    std::string members;
    JsonWriter(members)
        .member("event", "cancel_ignored")
        .member("detail", key ? "the key is of another agent's session" : "no session has this key");
    tell({model::record_type::flow_event, flow.id(), members, {}, false});
    loop_->post([this, id = flow.id()] {
        if (Flow* cancelling = find(id)) cancelling->cancel_done();
    });
}

void Worker::cancel_of(Flow& flow, const CancelKey& key) {
    std::string members;
    JsonWriter(members).member("event", "cancel").member("detail", key.session);
    tell({model::record_type::flow_event, flow.id(), members, {}, false});
    key.owner->cancel_session(key.session, [this, id = flow.id(), key](bool was_held) {
        loop_->post([this, id, key, was_held] {
            // The target runs nothing then: a cancel would meet the agent's next command.
            if (!was_held) return cancel_upstream(id, key);
            if (Flow* cancelling = find(id)) cancelling->cancel_done();
        });
    });
}

void Worker::cancel_upstream(const std::string& id, const CancelKey& key) {
    const std::uint64_t number = ++cancel_count_;
    auto done = [this, id, number](std::string_view why) {
        if (!why.empty()) spdlog::warn("cancelling for session {}: {}", id, why);
        finished_cancels_.push_back(number);
        if (Flow* cancelling = find(id)) cancelling->cancel_done();
    };
    cancels_.emplace(number, std::make_unique<UpstreamCancel>(*loop_, key, std::move(done)));
}

Result<std::shared_ptr<tls::Context>> Worker::tls_context(const Flow& flow, Side side) {
    const session::Flow& description = flow.description();
    if (!description.target) return fail(Errc::internal, "an unlisted target has no TLS");
    if (side == Side::agent) return target_tls_.towards_agent(*description.target, description.asked_for);
    auto context = target_tls_.towards_target(*description.target, description.asked_for);
    if (context && *context == nullptr) return fail(Errc::internal, "the target is spoken to in the clear");
    return context;
}

void Worker::waits(Flow& flow, bool is_waiting) {
    if (flow.is_listed_as_waiting == is_waiting) return;
    flow.is_listed_as_waiting = is_waiting;
    if (is_waiting) {
        waiting_.insert(&flow);
    } else {
        waiting_.erase(&flow);
    }
}

void Worker::ended(Flow& flow) { ended_.push_back(&flow); }

// ---- once in a while

void Worker::records_moved(bool for_all) {
    has_records_moved_ = false;
    retry_kept();
    std::vector<Flow*> told(waiting_.begin(), waiting_.end());
    if (for_all) {
        told.clear();
        for (const auto& [id, flow] : flows_) told.push_back(flow.get());
    }
    // Flows are destroyed at the end of a round only, so these pointers hold.
    for (Flow* flow : told) flow->session_call([](auto& session) { session.records_moved(); });
}

void Worker::round() {
    for (const std::uint64_t number : std::exchange(finished_cancels_, {})) cancels_.erase(number);
    for (Flow* flow : std::exchange(ended_, {})) {
        waiting_.erase(flow);
        retiring_.erase(flow);
        services_.holds.session_ended(flow->id());
        if (flow->cancel_secret() != 0) services_.cancel_keys.remove(flow->cancel_secret());
        kept_.take(flow->leave_records());
        const auto agent = flows_of_.find(resolve::agent_key(flow->description().agent.cgroup_path));
        if (agent != flows_of_.end() && --agent->second == 0) flows_of_.erase(agent);
        flows_.erase(std::string(flow->id()));
    }
    flow_count_.store(flows_.size(), std::memory_order_relaxed);
    kept_count_.store(kept_.count(), std::memory_order_relaxed);
    retiring_count_.store(retiring_.size(), std::memory_order_relaxed);
}

void Worker::every_second() {
    second_ = loop_->at(clock().now() + 1s, [this] { every_second(); });
    refusals_this_second_ = 0;
    if (const std::size_t count = std::exchange(refusals_left_out_, 0); count > 0) {
        refuse("more connections were refused than are recorded one by one: " + std::to_string(count), nullptr);
    }
    // A session may keep records that the log did not take, without waiting for anything.
    records_moved(true);
    for (auto& [id, flow] : flows_)
        if (is_draining_ || retiring_.contains(flow.get())) flow->session_call([](auto& session) { session.tick(); });
}

}  // namespace assent::app
