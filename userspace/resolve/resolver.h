// The resolver that agents' lookups end at, whatever resolver they ask: on a thread of its own it reads queries from the
// proxy's UDP ports and from TCP connections that the proxy hands over, judges each by the policy, passes it on to the
// host's resolvers or refuses it, learns which names gave which addresses, and tells of every one.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "model/agent.h"
#include "policy/dns_settings.h"
#include "resolve/forwarder.h"
#include "resolve/learned_names.h"
#include "resolve/name_limits.h"
#include "resolve/poller.h"
#include "resolve/stream_clients.h"
#include "resolve/upstreams.h"

namespace assent::resolve {

// Who asks, and which resolver it asked.
struct Sender {
    model::Agent agent;
    model::Endpoint asked;
    std::string why_refused;  // nothing is passed on for this agent; empty: it may ask
};

// One lookup that has ended, for the record.
struct Lookup {
    const Sender* sender = nullptr;  // valid during the call only; never null
    bool is_tcp = false;
    std::string name;  // as Query::name
    std::uint16_t type = 0;
    std::string target;                  // its host, if the name is a target's
    std::string code;                    // of the answer: "NOERROR"
    std::string answered_by;             // the host's resolver; empty: the answer is our own
    std::vector<std::string> addresses;  // that the name led to
    std::string refused;                 // why, when it was; empty: it was passed on
    std::string failure;                 // why no resolver answered, or what is wrong with the query or the answer
};

struct ResolverStatus {
    std::uint64_t queries = 0;
    std::uint64_t forwarded = 0;
    std::uint64_t refused = 0;
    std::uint64_t failed = 0;    // passed on, and nobody answered
    std::uint64_t unknown = 0;   // datagrams that no agent sent: not answered
    std::uint64_t left_out = 0;  // of agents that sent too many at once
    std::size_t outstanding = 0;
    std::size_t connections = 0;
    std::vector<UpstreamStatus> upstreams;
};

class Resolver {
public:
    // What it needs; all of it is called on its thread, and lives longer.
    struct Parts {
        policy::DnsSettings settings;
        LearnedNames& names;
        const Clock& clock;
        // Of a datagram, in the network namespace with that cookie.
        std::function<Result<Sender>(const model::Endpoint& source, std::uint16_t port, std::uint64_t network)> sender_of;
        std::function<std::string(std::string_view name)>
            target_host;                                          // that the name is of, as the policy says it; "": none
        std::function<std::vector<model::Endpoint>()> upstreams;  // the host's resolvers, asked every few seconds
        std::function<bool()> may_record;                         // false: nothing is passed on but names of targets
        std::function<void(const Lookup&)> record;
        std::function<void()> every_second;
    };
    [[nodiscard]] static Result<std::unique_ptr<Resolver>> make(Parts parts);
    ~Resolver() { stop(); }
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // A bound UDP socket of the proxy; before start().
    [[nodiscard]] Result<> listen(Fd socket);
    void start();
    // Reads no more datagrams: they wait in the sockets for whoever holds these too. Idempotent. Thread: any.
    void release();
    // Released, and everybody who asked by datagram has an answer. Thread: any.
    [[nodiscard]] bool is_released() const noexcept { return is_released_; }
    // Ends the thread, without a word to those who wait. Idempotent.
    void stop();

    // Thread: any.
    void serve(Fd connection, Sender sender);  // DNS over TCP from here on
    // UDP sockets of the proxy in another network namespace, with its cookie; and no more from there.
    void listen_in(std::uint64_t network, std::vector<Fd> sockets);
    void leave(std::uint64_t network);
    [[nodiscard]] ResolverStatus status() const;

private:
    struct Listener {
        Fd socket;
        std::uint16_t port = 0;
        std::uint64_t network = 0;  // cookie of its network namespace
        std::uint64_t watched = 0;  // its number at the poller
    };
    // Where an answer goes.
    struct Place {
        std::uint64_t listener = 0;
        sockaddr_storage address{};
        socklen_t size = 0;
        std::uint64_t client = 0;  // of TCP; 0: the datagram's sender
    };
    struct Counts {
        std::atomic<std::uint64_t> queries = 0;
        std::atomic<std::uint64_t> forwarded = 0;
        std::atomic<std::uint64_t> refused = 0;
        std::atomic<std::uint64_t> failed = 0;
        std::atomic<std::uint64_t> unknown = 0;
        std::atomic<std::uint64_t> left_out = 0;
        std::atomic<std::size_t> outstanding = 0;
        std::atomic<std::size_t> connections = 0;
    };

    Resolver(Parts parts, Poller poller);
    void run();
    void read_datagrams(std::uint64_t number);
    [[nodiscard]] bool read_datagram(std::uint64_t number, const Listener& listener);
    [[nodiscard]] bool is_too_fast(const std::string& agent);
    void take_handed_over();
    void let_go();
    void take_networks();
    void received(Bytes message, const Sender& sender, const std::string& agent, const Place& place);
    void judge(const wire::dns::Query& query, const Sender& sender, const std::string& agent, const Place& place);
    void forward(const wire::dns::Query& query, const Sender& sender, const std::string& agent, const Place& place,
                 const std::string& target);
    void answered(const wire::dns::Query& query, const Forwarder::Outcome& outcome, const std::string& agent,
                  const Place& place, Lookup lookup);
    void learn(const std::string& agent, Bytes answer, Lookup& lookup);
    void reply(const Place& place, Bytes message);
    void look_after();

    Parts parts_;
    Poller poller_;
    Upstreams upstreams_;
    Forwarder forwarder_;
    StreamClients clients_;
    NameLimits limits_;
    std::unordered_map<std::uint64_t, Listener> listeners_;  // by a number that is not used again
    std::uint64_t last_listener_ = 0;
    std::unordered_map<std::uint64_t, Sender> senders_;  // of clients_
    std::unordered_map<std::string, std::size_t> this_second_;
    Moment second_{};
    Counts counts_;

    std::mutex mutex_;  // guards what is handed over
    std::vector<std::pair<Fd, Sender>> handed_over_;
    std::vector<std::pair<std::uint64_t, std::vector<Fd>>> networks_;  // with sockets: new; without: left
    std::atomic<bool> is_stopping_ = false;
    std::atomic<bool> is_releasing_ = false;
    std::atomic<bool> is_released_ = false;
    std::thread thread_;
};

}  // namespace assent::resolve
