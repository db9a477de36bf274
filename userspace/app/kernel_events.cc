#include "app/kernel_events.h"

#include <pthread.h>

#include <algorithm>

#include <spdlog/spdlog.h>

#include "base/json_writer.h"
#include "base/shown_text.h"
#include "wire/dns/answer.h"

namespace assent::app {
namespace {

using namespace std::chrono_literals;

std::string_view name_of(kernel::Event::Kind kind) {
    using Kind = kernel::Event::Kind;
    switch (kind) {
        case Kind::refused_connect:
            return "connect";
        case Kind::refused_send:
            return "send";
        case Kind::refused_bind:
            return "bind";
        case Kind::refused_socket:
            return "socket";
        case Kind::refused_listen:
            return "listen";
        case Kind::dropped_packet:
            return "packet";
        case kernel::Event::Kind::refused_unix:
            return "unix socket";
        case Kind::dns_answer:
            return "dns";
        case Kind::refused_foreign_socket:
            return "foreign socket";
        case Kind::refused_process:
            return "process";
        case Kind::refused_bpf:
            return "bpf";
        case Kind::refused_mount:
            return "mount";
        case Kind::refused_cgroup:
            return "cgroup";
    }
    return "unknown";
}

JsonWriter& describe(JsonWriter& writer, const model::Agent& agent) {
    writer.member("agent", agent.name()).member("cgroup", agent.cgroup_path).member("cgroup_id", agent.cgroup_id);
    return writer.member("pid", agent.pid).member("uid", agent.uid).member("exe", agent.exe).member("comm", agent.comm);
}

}  // namespace

std::vector<std::string> hosts_of(const policy::Policy& policy) {
    std::vector<std::string> hosts;
    for (const auto& target : policy.targets()) {
        for (const auto& address : target.addresses) {
            if (!address.host.empty()) hosts.push_back(address.host);
        }
    }
    std::sort(hosts.begin(), hosts.end());
    hosts.erase(std::unique(hosts.begin(), hosts.end()), hosts.end());
    return hosts;
}

void KernelEvents::start() {
    resolvers_ = kernel::host_resolvers();
    thread_ = std::thread([this] { run(); });
    resolver_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "assentd-names");
        while (!is_stopping_) {
            is_lookup_wanted_ = false;
            if (const auto policy = parts_.current_policy()) (void)parts_.names.resolve_now(hosts_of(*policy));
            for (int i = 0; i < 300 && !is_stopping_ && !is_lookup_wanted_; ++i) std::this_thread::sleep_for(100ms);
        }
    });
}

void KernelEvents::stop() {
    is_stopping_ = true;
    if (thread_.joinable()) thread_.join();
    if (resolver_.joinable()) resolver_.join();
}

void KernelEvents::run() {
    ::pthread_setname_np(::pthread_self(), "assentd-kernel");
    auto next = std::chrono::steady_clock::now();
    while (!is_stopping_) {
        const auto result = parts_.redirect.poll_events(200, [this](const kernel::Event& event) { seen(event); });
        if (!result) {
            spdlog::error("reading the kernel's events: {}", result.error().message);
            std::this_thread::sleep_for(1s);
        }
        if (std::chrono::steady_clock::now() < next) continue;
        next = std::chrono::steady_clock::now() + 1s;
        look_after();
    }
}

void KernelEvents::seen(const kernel::Event& event) {
    if (event.kind == kernel::Event::Kind::dns_answer) return lookup(event);
    attempt(event);
}

void KernelEvents::attempt(const kernel::Event& event) {
    if (!attempts_.admits(event.agent.cgroup_id, std::chrono::steady_clock::now())) return;
    model::Agent agent = event.agent;
    parts_.complete_agent(agent);
    std::string members;
    JsonWriter writer(members);
    writer.member("what", name_of(event.kind));
    describe(writer, agent).member("address", event.address.to_text());
    if (event.kind == kernel::Event::Kind::refused_process)
        writer.member("other_pid", event.other_process).member("signal", event.signal);
    else
        writer.member("family", event.family).member("socket_type", event.socket_type).member("protocol", event.protocol);
    record(model::record_type::attempt, members);
}

void KernelEvents::lookup(const kernel::Event& event) {
    const auto answer = wire::dns::parse_answer(event.dns);
    std::vector<std::string> addresses;
    std::string question;
    if (answer) {
        question = answer->question;
        for (const auto& address : answer->of_question()) {
            parts_.names.learn(address.name, address.address, address.ttl_seconds);
            addresses.push_back(address.address.to_text());
        }
    }
    if (!lookups_.admits(event.agent.cgroup_id, std::chrono::steady_clock::now())) return;
    model::Agent agent = event.agent;
    parts_.complete_agent(agent);
    std::string members;
    JsonWriter writer(members);
    writer.member("name", question);
    describe(writer, agent).member("resolver", event.address.to_text()).strings("addresses", addresses);
    if (!answer) writer.member("malformed", answer.error().message);
    record(model::record_type::lookup, members);
}

void KernelEvents::look_after() {
    if (const auto repaired = parts_.redirect.check(); !repaired) {
        spdlog::error("looking after what is governed: {}", repaired.error().message);
    } else {
        for (const auto& sentence : *repaired) {
            spdlog::warn("{}", sentence);
            std::string members;
            JsonWriter(members).member("what", sentence).member("repaired", true);
            record(model::record_type::degraded, members);
        }
    }
    if (auto resolvers = kernel::host_resolvers(); resolvers != resolvers_) {
        if (const auto result = parts_.redirect.set_resolvers(resolvers); !result)
            spdlog::error("{}", result.error().message);
        resolvers_ = std::move(resolvers);
    }
    const auto lost = parts_.redirect.lost_events();
    const std::uint64_t attempts = attempts_.take_left_out() + lost.first - lost_before_.first;
    const std::uint64_t lookups = lookups_.take_left_out() + lost.second - lost_before_.second;
    lost_before_ = lost;
    for (const auto& [type, count] :
         {std::pair{model::record_type::attempt, attempts}, std::pair{model::record_type::lookup, lookups}}) {
        if (count == 0) continue;
        std::string members;
        JsonWriter(members).member("left_out", count);
        record(type, members);
    }
    kept_.retry(parts_.records);
    parts_.every_second();
}

void KernelEvents::record(std::string_view type, const std::string& members) {
    const model::RecordDraft draft{type, {}, members, {}, false};
    if (!kept_.retry(parts_.records) || !parts_.records.append(draft)) kept_.add(draft, system_clock().wall());
}

}  // namespace assent::app
