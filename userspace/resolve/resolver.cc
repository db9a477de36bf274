#include "resolve/resolver.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "base/limits.h"
#include "model/dns_type.h"
#include "resolve/agent_key.h"
#include "wire/dns/answer.h"
#include "wire/dns/ech.h"
#include "wire/dns/query.h"

namespace assent::resolve {
namespace {

using namespace std::chrono_literals;
using wire::dns::Code;
using wire::dns::Query;
namespace info_code = wire::dns::info_code;

constexpr int tick_ms = 100;  // while something is outstanding
constexpr int rest_ms = 500;
constexpr std::size_t datagrams_a_round = 64;  // of one listener, then the others have their turn

bool is_transfer(std::uint16_t type) { return type == model::dns_type::axfr || type == model::dns_type::ixfr; }

bool may_have_ech(std::uint16_t type) {
    return type == model::dns_type::https || type == model::dns_type::svcb || type == model::dns_type::any;
}

}  // namespace

Resolver::Resolver(Parts parts, Poller poller)
    : parts_(std::move(parts)),
      poller_(std::move(poller)),
      forwarder_(poller_, upstreams_, parts_.clock),
      clients_(poller_, parts_.clock,
               [this](std::uint64_t client, Bytes query) {
                   const auto found = senders_.find(client);
                   if (found == senders_.end()) return clients_.answer(client, {});
                   Place place;
                   place.client = client;
                   received(query, found->second, agent_key(found->second.agent.cgroup_path), place);
               }),
      limits_(parts_.settings) {}

Result<std::unique_ptr<Resolver>> Resolver::make(Parts parts) {
    auto poller = Poller::make();
    if (!poller) return std::unexpected(poller.error());
    return std::unique_ptr<Resolver>(new Resolver(std::move(parts), std::move(*poller)));
}

Result<> Resolver::listen(Fd socket) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return fail_errno("a DNS listener's port", errno);
    const auto bound = model::Endpoint::from(address);
    if (!bound) return fail(Errc::internal, "a DNS listener is neither IPv4 nor IPv6");
    std::uint64_t network = 0;
    size = sizeof(network);
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &network, &size) != 0)
        return fail_errno("a DNS listener's network namespace", errno);
    const auto number = ++last_listener_;
    const auto watched = poller_.add(socket.get(), EPOLLIN, [this, number](std::uint32_t) { read_datagrams(number); });
    if (!watched) return std::unexpected(watched.error());
    listeners_.emplace(number, Listener{std::move(socket), bound->port, network, *watched});
    return {};
}

void Resolver::start() {
    upstreams_.set(parts_.upstreams());
    thread_ = std::thread([this] { run(); });
}

void Resolver::release() {
    is_releasing_ = true;
    poller_.wake();
}

void Resolver::stop() {
    is_stopping_ = true;
    poller_.wake();
    if (thread_.joinable()) thread_.join();
}

void Resolver::serve(Fd connection, Sender sender) {
    {
        const std::lock_guard lock(mutex_);
        if (handed_over_.size() >= limits::dns_clients) return;
        handed_over_.emplace_back(std::move(connection), std::move(sender));
    }
    poller_.wake();
}

void Resolver::listen_in(std::uint64_t network, std::vector<Fd> sockets) {
    {
        const std::lock_guard lock(mutex_);
        networks_.emplace_back(network, std::move(sockets));
    }
    poller_.wake();
}

void Resolver::leave(std::uint64_t network) { listen_in(network, {}); }

ResolverStatus Resolver::status() const {
    ResolverStatus out;
    out.queries = counts_.queries;
    out.forwarded = counts_.forwarded;
    out.refused = counts_.refused;
    out.failed = counts_.failed;
    out.unknown = counts_.unknown;
    out.left_out = counts_.left_out;
    out.outstanding = counts_.outstanding;
    out.connections = counts_.connections;
    out.upstreams = upstreams_.status();
    return out;
}

void Resolver::run() {
    ::pthread_setname_np(::pthread_self(), "assentd-dns");
    while (!is_stopping_) {
        poller_.wait(forwarder_.outstanding() > 0 || clients_.count() > 0 ? tick_ms : rest_ms);
        take_handed_over();
        if (is_releasing_) let_go();
        take_networks();
        forwarder_.look_after();
        clients_.look_after();
        std::erase_if(senders_, [this](const auto& entry) { return !clients_.has(entry.first); });
        counts_.outstanding = forwarder_.outstanding();
        counts_.connections = clients_.count();
        if (parts_.clock.now() - second_ >= 1s) look_after();
    }
    forwarder_.abandon();
    clients_.close_all();
}

void Resolver::let_go() {
    for (auto& [number, listener] : listeners_) poller_.remove(std::exchange(listener.watched, 0));
    is_released_ = forwarder_.outstanding() == 0;
}

void Resolver::look_after() {
    second_ = parts_.clock.now();
    this_second_.clear();
    upstreams_.set(parts_.upstreams());
    parts_.every_second();
}

void Resolver::take_handed_over() {
    std::vector<std::pair<Fd, Sender>> taken;
    {
        const std::lock_guard lock(mutex_);
        taken.swap(handed_over_);
    }
    for (auto& [socket, sender] : taken) {
        // One too many is closed: its agent sees that, and asks again.
        if (const auto client = clients_.add(std::move(socket), agent_key(sender.agent.cgroup_path)))
            senders_.emplace(*client, std::move(sender));
        else
            ++counts_.left_out;
    }
}

void Resolver::take_networks() {
    std::vector<std::pair<std::uint64_t, std::vector<Fd>>> taken;
    {
        const std::lock_guard lock(mutex_);
        taken.swap(networks_);
    }
    for (auto& [network, sockets] : taken) {
        // One that cannot be watched is closed, and agents there get no answers.
        for (auto& socket : sockets) static_cast<void>(listen(std::move(socket)));
        if (!sockets.empty()) continue;
        std::erase_if(listeners_, [&](const auto& entry) {
            if (entry.second.network != network) return false;
            poller_.remove(entry.second.watched);
            return true;
        });
    }
}

// ---- a query comes

void Resolver::read_datagrams(std::uint64_t number) {
    const auto listener = listeners_.find(number);
    for (std::size_t i = 0; i < datagrams_a_round && listener != listeners_.end(); ++i)
        if (!read_datagram(number, listener->second)) return;
}

bool Resolver::read_datagram(std::uint64_t number, const Listener& listener) {
    std::array<std::byte, limits::dns_datagram> buffer;
    Place place;
    place.listener = number;
    place.size = sizeof(place.address);
    const auto size = ::recvfrom(listener.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                 reinterpret_cast<sockaddr*>(&place.address), &place.size);
    if (size < 0) return errno == EINTR;
    const auto source = model::Endpoint::from(place.address);
    if (!source) return true;
    const auto sender = parts_.sender_of(*source, listener.port, listener.network);
    if (!sender) {
        ++counts_.unknown;
        return true;
    }
    const std::string agent = agent_key(sender->agent.cgroup_path);
    if (is_too_fast(agent)) {
        ++counts_.left_out;
        return true;
    }
    received(Bytes(buffer).first(static_cast<std::size_t>(size)), *sender, agent, place);
    return true;
}

bool Resolver::is_too_fast(const std::string& agent) {
    if (this_second_.size() >= limits::dns_agents && !this_second_.contains(agent)) return true;
    return ++this_second_[agent] > limits::dns_queries_per_second;
}

void Resolver::received(Bytes message, const Sender& sender, const std::string& agent, const Place& place) {
    ++counts_.queries;
    const auto query = wire::dns::parse_query(message);
    if (query) return judge(*query, sender, agent, place);
    ++counts_.refused;
    Lookup lookup;
    lookup.sender = &sender;
    lookup.is_tcp = place.client != 0;
    lookup.refused = query.error().message;
    const auto answer = wire::dns::answer_unread(message, query.error().code);
    if (!answer.empty()) lookup.code = to_text(wire::dns::code_of(answer));
    reply(place, answer);
    parts_.record(lookup);
}

void Resolver::judge(const Query& query, const Sender& sender, const std::string& agent, const Place& place) {
    const std::string target = parts_.target_host(query.name);
    std::optional<wire::dns::ExtendedError> refusal;
    Code code = Code::refused;
    if (!sender.why_refused.empty()) {
        refusal = {info_code::prohibited, "assent: " + sender.why_refused};
    } else if (query.edns.version != 0) {
        code = Code::bad_version;
        refusal = {info_code::prohibited, "assent: this version of EDNS is not known"};
    } else if (query.record_class != wire::dns::class_internet || is_transfer(query.type)) {
        refusal = {info_code::prohibited, "assent: only records of the Internet are looked up, one name at a time"};
    } else if (target.empty()) {
        refusal = limits_.judge(agent, query, parts_.clock.now());
        if (!refusal && !parts_.may_record())
            refusal = {info_code::blocked, "assent: lookups cannot be recorded now; try again later"};
    }
    if (!refusal) return forward(query, sender, agent, place, target);
    ++counts_.refused;
    reply(place, make_answer(query, code, *refusal));
    Lookup lookup;
    lookup.sender = &sender;
    lookup.is_tcp = place.client != 0;
    lookup.name = query.name;
    lookup.type = query.type;
    lookup.target = target;
    lookup.code = to_text(code);
    lookup.refused = refusal->text;
    parts_.record(lookup);
}

void Resolver::forward(const Query& query, const Sender& sender, const std::string& agent, const Place& place,
                       const std::string& target) {
    Lookup lookup;
    lookup.is_tcp = place.client != 0;
    lookup.name = query.name;
    lookup.type = query.type;
    lookup.target = target;
    ++counts_.forwarded;
    auto done = [this, sender, agent, place, lookup](const Query& asked, const Forwarder::Outcome& outcome) {
        Lookup ended = lookup;
        ended.sender = &sender;
        answered(asked, outcome, agent, place, std::move(ended));
    };
    const auto result = forwarder_.forward({query, agent, sender.asked, lookup.is_tcp}, std::move(done));
    if (result) return;
    lookup.sender = &sender;
    answered(query, {{}, {}, result.error().message}, agent, place, std::move(lookup));
}

void Resolver::answered(const Query& query, const Forwarder::Outcome& outcome, const std::string& agent, const Place& place,
                        Lookup lookup) {
    if (outcome.answer.empty()) {
        ++counts_.failed;
        lookup.failure = outcome.failure;
        lookup.code = to_text(Code::server_failure);
        reply(place, make_answer(query, Code::server_failure,
                                 {info_code::no_reachable_authority, "assent: no resolver of this host answers"}));
        return parts_.record(lookup);
    }
    learn(agent, outcome.answer, lookup);
    lookup.code = to_text(wire::dns::code_of(outcome.answer));
    lookup.answered_by = outcome.resolver.to_text();
    const std::size_t most = place.client != 0 ? limits::dns_message : datagram_of(query);
    Result<std::optional<ByteVector>> stripped = std::nullopt;
    if (!parts_.settings.keeps_ech) stripped = wire::dns::without_ech(outcome.answer);
    if (!stripped && may_have_ech(query.type)) {
        lookup.failure = "its keys of Encrypted Client Hello cannot be taken out: " + stripped.error().message;
        reply(place, make_answer(query, Code::server_failure, {info_code::blocked, "assent: " + lookup.failure}));
    } else {
        reply(place, to_agent(query, stripped && *stripped ? **stripped : outcome.answer, most));
    }
    parts_.record(lookup);
}

void Resolver::learn(const std::string& agent, Bytes message, Lookup& lookup) {
    const auto answer = wire::dns::parse_answer(message);
    if (!answer) {
        lookup.failure = answer.error().message;
        return;
    }
    for (const auto& record : answer->of_question()) {
        const bool is_target = !lookup.target.empty();
        parts_.names.learn(agent, is_target ? lookup.target : record.name, record.address, record.ttl_seconds, is_target);
        lookup.addresses.push_back(record.address.to_text());
    }
}

void Resolver::reply(const Place& place, Bytes message) {
    if (place.client != 0) return clients_.answer(place.client, message);
    const auto listener = listeners_.find(place.listener);
    if (message.empty() || listener == listeners_.end()) return;
    // One that does not arrive is asked for again.
    (void)::sendto(listener->second.socket.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                   reinterpret_cast<const sockaddr*>(&place.address), place.size);
}

}  // namespace assent::resolve
