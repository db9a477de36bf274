// The smallest shell around an adapter: a thread for each connection, poll, no TLS, no records. What a test wants to rule,
// it says in functions.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "base/fd.h"
#include "wire/postgres/postgres.h"

namespace assent::test {

struct RelaySettings {
    int target_port = 0;
    wire::postgres::Options options;
    std::size_t read_size = 64 * 1024;
    std::function<wire::Ruling(const wire::CommandSeen&)> rule;  // default: all is forwarded
    std::function<std::optional<sql::Question>()> ready;         // default: no question
    std::function<void(std::vector<sql::Row>)> answered;
    std::function<void(const wire::Outcome&)> finished;
    std::function<void(wire::CommandId, Bytes)> result_seen;
    std::function<void(std::string_view, bool)> closed;
    std::function<void(std::string_view)> authenticated;
};

inline Fd connect_to(int port) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
    return fd;
}

// Cancel keys of all flows of a relay: what the agents were told, and what is true.
struct CancelKeys {
    std::mutex mutex;
    std::map<std::uint32_t, std::uint32_t> secret_of;
};

class RelayFlow final : public wire::Host {
public:
    RelayFlow(const RelaySettings& settings, CancelKeys& keys, Fd agent)
        : settings_(settings), keys_(keys), adapter_(wire::postgres::make_adapter(settings.options, *this)) {
        sockets_[0] = std::move(agent);
    }

    void run() {
        relay();
        for (auto& socket : sockets_) socket.reset();
    }

    void relay() {
        while (!is_closing_ || has_output()) {
            if (must_connect_) connect_now();
            std::array<pollfd, 2> polled{};
            for (std::size_t i = 0; i < 2; ++i) {
                const bool reads = !is_closing_ && !has_ended_[i] && input_[i].empty() && adapter_->wants(side(i));
                polled[i] = {sockets_[i].is_open() ? sockets_[i].get() : -1,
                             static_cast<short>((reads ? POLLIN : 0) | (output_[i].empty() ? 0 : POLLOUT)), 0};
            }
            if (::poll(polled.data(), 2, 50) < 0) return;
            for (std::size_t i = 0; i < 2; ++i) {
                if ((polled[i].revents & POLLOUT) != 0) write_some(i);
                if ((polled[i].revents & (POLLERR | POLLNVAL)) != 0) return;
                if ((polled[i].revents & POLLIN) != 0 && !is_closing_) read_some(i);
                if ((polled[i].revents & POLLHUP) != 0 && (polled[i].revents & POLLIN) == 0 && is_closing_) return;
            }
            adapter_->proceed();
            offer();
            if (stop_requested) return;
        }
    }

    void send(wire::Side to, Bytes bytes) override { append(output_[index(to)], bytes); }
    wire::Ruling rule(const wire::CommandSeen& command) override {
        if (settings_.rule) return settings_.rule(command);
        wire::Ruling ruling;
        ruling.action = wire::Ruling::Action::forward;
        return ruling;
    }
    void answered(std::vector<sql::Row> rows) override {
        if (settings_.answered) settings_.answered(std::move(rows));
    }
    void result_seen(wire::CommandId id, Bytes bytes) override {
        if (settings_.result_seen) settings_.result_seen(id, bytes);
    }
    void finished(const wire::Outcome& outcome) override {
        if (settings_.finished) settings_.finished(outcome);
    }
    void connect_target() override { must_connect_ = true; }
    void start_tls(wire::Side /*side*/) override { is_closing_ = true; }
    std::optional<sql::Question> ready() override { return settings_.ready ? settings_.ready() : std::nullopt; }
    std::uint32_t backend_key(std::uint32_t process, std::uint32_t secret) override {
        const std::lock_guard lock(keys_.mutex);
        keys_.secret_of[process] = secret;
        return secret ^ 0x5a5a5a5aU;
    }
    void cancel_requested(std::uint32_t process, std::uint32_t secret) override {
        const std::lock_guard lock(keys_.mutex);
        if (!keys_.secret_of.contains(process) || keys_.secret_of[process] != (secret ^ 0x5a5a5a5aU)) return;
        const std::array<std::uint32_t, 4> request = {htonl(16), htonl(80877102), htonl(process),
                                                      htonl(keys_.secret_of[process])};
        const Fd target = connect_to(settings_.target_port);
        [[maybe_unused]] const auto written = ::write(target.get(), request.data(), sizeof request);
        char end = 0;
        [[maybe_unused]] const auto got = ::read(target.get(), &end, 1);
    }
    void authenticated(std::string_view method) override {
        if (settings_.authenticated) settings_.authenticated(method);
    }
    void setting_changed(std::string_view, std::string_view) override {}
    void transaction_status(char) override {}
    void statement_closed(std::string_view) override {}
    void portal_closed(std::string_view) override {}
    void close(std::string why, bool is_violation) override {
        if (settings_.closed) settings_.closed(why, is_violation);
        is_closing_ = true;
    }

    std::atomic<bool> stop_requested = false;

private:
    static wire::Side side(std::size_t i) { return i == 0 ? wire::Side::agent : wire::Side::target; }
    static std::size_t index(wire::Side s) { return s == wire::Side::agent ? 0 : 1; }
    [[nodiscard]] bool has_output() const {
        return (sockets_[0].is_open() && !output_[0].empty()) || (sockets_[1].is_open() && !output_[1].empty());
    }

    void connect_now() {
        must_connect_ = false;
        sockets_[1] = connect_to(settings_.target_port);
        if (sockets_[1].is_open()) {
            adapter_->target_connected();
        } else {
            adapter_->closed(wire::Side::target);
        }
    }
    void write_some(std::size_t i) {
        const auto size = ::send(sockets_[i].get(), output_[i].data(), output_[i].size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size > 0) {
            output_[i].erase(output_[i].begin(), output_[i].begin() + size);
        } else if (size < 0 && errno != EAGAIN) {
            output_[i].clear();
            sockets_[i].reset();
        }
    }
    void read_some(std::size_t i) {
        ByteVector buffer(settings_.read_size);
        const auto size = ::recv(sockets_[i].get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size <= 0) {
            has_ended_[i] = true;
            adapter_->closed(side(i));
            return;
        }
        buffer.resize(static_cast<std::size_t>(size));
        input_[i] = std::move(buffer);
        offer();
    }
    void offer() {
        for (std::size_t i = 0; i < 2; ++i) {
            if (input_[i].empty() || is_closing_) continue;
            const std::size_t taken = adapter_->received(side(i), input_[i]);
            input_[i].erase(input_[i].begin(), input_[i].begin() + static_cast<std::ptrdiff_t>(taken));
        }
    }

    const RelaySettings& settings_;
    CancelKeys& keys_;
    std::array<Fd, 2> sockets_;
    std::array<ByteVector, 2> input_;
    std::array<ByteVector, 2> output_;
    std::array<bool, 2> has_ended_{};
    bool must_connect_ = false;
    bool is_closing_ = false;
    std::unique_ptr<wire::Adapter> adapter_;
};

class Relay {
public:
    explicit Relay(RelaySettings settings)
        : settings_(std::move(settings)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        if (::bind(listener_.get(), generic, size) != 0 || ::listen(listener_.get(), 64) != 0 ||
            ::getsockname(listener_.get(), generic, &size) != 0) {
            return;
        }
        port_ = ntohs(address.sin_port);
        acceptor_ = std::thread([this] { accept_all(); });
    }
    ~Relay() {
        is_stopping_ = true;
        if (acceptor_.joinable()) acceptor_.join();
        for (auto& flow : flows_) flow.first->stop_requested = true;
        for (auto& flow : flows_) flow.second.join();
    }
    [[nodiscard]] int port() const { return port_; }

private:
    void accept_all() {
        while (!is_stopping_) {
            pollfd polled{listener_.get(), POLLIN, 0};
            if (::poll(&polled, 1, 20) <= 0) continue;
            Fd agent(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!agent.is_open()) continue;
            auto flow = std::make_unique<RelayFlow>(settings_, keys_, std::move(agent));
            RelayFlow* running = flow.get();
            flows_.emplace_back(std::move(flow), std::thread([running] { running->run(); }));
        }
    }

    RelaySettings settings_;
    CancelKeys keys_;
    Fd listener_;
    int port_ = 0;
    std::atomic<bool> is_stopping_ = false;
    std::thread acceptor_;
    std::list<std::pair<std::unique_ptr<RelayFlow>, std::thread>> flows_;
};

}  // namespace assent::test
