#include "app/kernel_events.h"

#include <pthread.h>

#include <spdlog/spdlog.h>

#include "app/lookups.h"
#include "base/json_writer.h"
#include "base/shown_text.h"

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
        case Kind::refused_unix:
            return "unix socket";
        case Kind::refused_option:
            return "option";
        case Kind::refused_new:
            return "new cgroup";
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
        case Kind::refused_device:
            return "device";
        case Kind::asks_for_network:
            return "network";
    }
    return "unknown";
}

JsonWriter& describe(JsonWriter& writer, const model::Agent& agent) {
    writer.member("agent", agent.name()).member("cgroup", agent.cgroup_path).member("cgroup_id", agent.cgroup_id);
    return writer.member("pid", agent.pid).member("uid", agent.uid).member("exe", agent.exe).member("comm", agent.comm);
}

}  // namespace

void KernelEvents::start() {
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
        const auto result = parts_.redirect.poll_events(200, [this](const kernel::Event& event) { attempt(event); });
        if (!result) {
            spdlog::error("reading the kernel's events: {}", result.error().message);
            std::this_thread::sleep_for(1s);
        }
        if (std::chrono::steady_clock::now() < next) continue;
        next = std::chrono::steady_clock::now() + 1s;
        look_after();
    }
    record_earlier();
    record_left_out(true);
}

void KernelEvents::attempt(const kernel::Event& event) {
    if (event.kind == kernel::Event::Kind::asks_for_network) return parts_.network_asked(event);
    model::Agent agent = event.agent;
    parts_.complete_agent(agent);
    const auto address = event.address.to_text();
    const auto now = std::chrono::steady_clock::now();
    if (!attempts_.count(agent, name_of(event.kind), address, now, system_clock().wall())) return;
    std::string members;
    JsonWriter writer(members);
    writer.member("what", name_of(event.kind));
    describe(writer, agent).member("address", address);
    if (event.kind == kernel::Event::Kind::refused_process)
        writer.member("other_pid", event.other_process).member("signal", event.signal);
    else
        writer.member("family", event.family).member("socket_type", event.socket_type).member("protocol", event.protocol);
    record(model::record_type::attempt, members);
}

void KernelEvents::look_after() {
    if (const auto repaired = parts_.redirect.check(); !repaired) {
        spdlog::error("looking after what is governed: {}", repaired.error().message);
    } else {
        for (const auto& sentence : *repaired) record_degraded(sentence, true);
    }
    record_earlier();
    for (const auto& sentence : parts_.network_failures()) record_degraded(sentence, false);
    for (const auto& cut : parts_.redirect.take_cut_events())
        attempts_.count_unseen(cut.cgroup_id, cut.count, std::chrono::steady_clock::now());
    record_left_out(false);
    const auto lost = parts_.redirect.lost_events();
    const std::uint64_t count = lost - lost_before_;
    lost_before_ = lost;
    if (count != 0) {
        std::string members;
        JsonWriter(members).member("left_out", count);
        record(model::record_type::attempt, members);
    }
    kept_.retry(parts_.records);
    parts_.every_second();
}

void KernelEvents::record_degraded(const std::string& sentence, bool is_repaired) {
    spdlog::warn("{}", sentence);
    std::string members;
    JsonWriter writer(members);
    writer.member("what", sentence);
    if (is_repaired) writer.member("repaired", true);
    record(model::record_type::degraded, members);
}

void KernelEvents::record_earlier() {
    auto earlier = parts_.redirect.take_earlier_sockets();
    for (const auto& sentence : earlier.lacks) record_degraded(sentence, false);
    for (auto& socket : earlier.sockets) {
        parts_.complete_agent(socket.holder);
        earlier_.count(socket, socket.holder.name(), system_clock().wall());
        std::string members;
        JsonWriter writer(members);
        writer.member("what", socket.protocol).member("state", socket.state);
        describe(writer, socket.holder);
        if (!socket.local.is_unix() && socket.local.port != 0) writer.member("local", socket.local.to_text());
        if (socket.remote.is_unix() || socket.remote.port != 0) writer.member("address", socket.remote.to_text());
        writer.member("ended", socket.is_ended);
        if (!socket.note.empty()) writer.member("note", socket.note);
        record(model::record_type::socket_before, members);
    }
    if (earlier.left_out == 0) return;
    std::string members;
    JsonWriter(members).member("left_out", earlier.left_out);
    record(model::record_type::socket_before, members);
}

void KernelEvents::record_left_out(bool is_last) {
    for (const auto& left_out : attempts_.take_left_out(std::chrono::steady_clock::now(), is_last)) {
        std::string members;
        JsonWriter writer(members);
        writer.member("left_out", left_out.count);
        if (left_out.cgroup_id != 0)
            writer.member("agent", left_out.agent)
                .member("cgroup", left_out.cgroup_path)
                .member("cgroup_id", left_out.cgroup_id);
        record(model::record_type::attempt, members);
    }
}

void KernelEvents::record(std::string_view type, const std::string& members) {
    const model::RecordDraft draft{type, {}, members, {}, false};
    if (!kept_.retry(parts_.records) || !parts_.records.append(draft)) kept_.add(draft, system_clock().wall());
}

}  // namespace assent::app
