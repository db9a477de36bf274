// Both ends of many connections: a target that echoes, and an agent that keeps them open or opens so many a second.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <string>
#include <unordered_map>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<char, 4> word{'p', 'i', 'n', 'g'};

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(port);
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return out;
}

class Poll {
public:
    Poll() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
    void watch(int socket, std::uint32_t events) const { control(EPOLL_CTL_ADD, socket, events); }
    void change(int socket, std::uint32_t events) const { control(EPOLL_CTL_MOD, socket, events); }
    [[nodiscard]] int wait(std::array<epoll_event, 256>& ready, int timeout_ms) const {
        return ::epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), timeout_ms);
    }

private:
    void control(int operation, int socket, std::uint32_t events) const {
        epoll_event event{};
        event.events = events;
        event.data.fd = socket;
        ::epoll_ctl(epoll_, operation, socket, &event);
    }
    int epoll_;
};

int serve() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in at = loopback(0);
    socklen_t size = sizeof(at);
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&at), size) != 0 || ::listen(listener, 4096) != 0) return 1;
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);
    std::cout << ntohs(at.sin_port) << std::endl;
    const Poll poll;
    poll.watch(listener, EPOLLIN);
    poll.watch(STDIN_FILENO, EPOLLIN);
    while (true) {
        std::array<epoll_event, 256> ready{};
        const int count = poll.wait(ready, -1);
        for (int i = 0; i < count; ++i) {
            const int socket = ready[static_cast<std::size_t>(i)].data.fd;
            if (socket == STDIN_FILENO) return 0;  // whoever started it is gone
            if (socket == listener) {
                for (int taken = 0; (taken = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;)
                    poll.watch(taken, EPOLLIN);
                continue;
            }
            std::array<char, 4096> buffer{};
            const auto read = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (read <= 0 || ::send(socket, buffer.data(), static_cast<std::size_t>(read), MSG_NOSIGNAL) != read)
                ::close(socket);
        }
    }
}

// Connects, says a word and waits for it; gives the socket or -1.
int open_one(std::uint16_t port) {
    const int out = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in to = loopback(port);
    std::array<char, word.size()> answer{};
    const bool is_open = ::connect(out, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0 &&
                         ::send(out, word.data(), word.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(word.size()) &&
                         ::recv(out, answer.data(), answer.size(), MSG_WAITALL) == static_cast<ssize_t>(answer.size());
    if (is_open) return out;
    ::close(out);
    return -1;
}

int hold(std::uint16_t port, int wanted) {
    std::vector<int> kept;
    const auto start = Clock::now();
    for (int i = 0; i < wanted; ++i) {
        const int socket = open_one(port);
        if (socket < 0) break;
        kept.push_back(socket);
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    std::cout << fmt::format(R"({{"open":{},"seconds":{:.3f}}})", kept.size(), seconds) << std::endl;
    std::string line;
    std::getline(std::cin, line);
    // Each still works.
    std::size_t working = 0;
    for (const int socket : kept) {
        std::array<char, word.size()> answer{};
        if (::send(socket, word.data(), word.size(), MSG_NOSIGNAL) > 0 &&
            ::recv(socket, answer.data(), answer.size(), MSG_WAITALL) > 0)
            ++working;
    }
    std::cout << fmt::format(R"({{"working":{}}})", working) << std::endl;
    return 0;
}

// Connections that are on their way, each with the time of its start.
class Paced {
public:
    Paced(std::uint16_t port, double rate, double seconds)
        : to_(loopback(port)), rate_(rate), total_(static_cast<std::uint64_t>(rate * seconds)) {}

    void run() {
        const auto start = Clock::now();
        while (started_ < total_ || (!open_.empty() && Clock::now() - last_ < std::chrono::seconds(10))) {
            const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
            while (started_ < total_ && static_cast<double>(started_) < elapsed * rate_) begin();
            std::array<epoll_event, 256> ready{};
            const int count = poll_.wait(ready, 1);
            for (int i = 0; i < count; ++i)
                go_on(ready[static_cast<std::size_t>(i)].data.fd, ready[static_cast<std::size_t>(i)].events);
        }
        took_ = std::chrono::duration<double>(Clock::now() - start).count();
    }
    void print() {
        std::ranges::sort(times_);
        const auto at = [&](double share) {
            return times_.empty() ? 0.0 : times_[static_cast<std::size_t>(share * static_cast<double>(times_.size() - 1))];
        };
        std::cout
            << fmt::format(
                   R"({{"started":{},"served":{},"failed":{},"seconds":{:.3f},"median_us":{:.1f},"p99_us":{:.1f},"most_us":{:.1f}}})",
                   started_, times_.size(), started_ - times_.size(), took_, at(0.5), at(0.99), at(1.0))
            << std::endl;
    }

private:
    void begin() {
        const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        ++started_;
        last_ = Clock::now();
        if (socket < 0) return;
        open_[socket] = last_;
        if (::connect(socket, reinterpret_cast<const sockaddr*>(&to_), sizeof(to_)) != 0 && errno != EINPROGRESS)
            return end(socket, false);
        poll_.watch(socket, EPOLLOUT);
    }
    void go_on(int socket, std::uint32_t events) {
        if ((events & (EPOLLERR | EPOLLHUP)) != 0) return end(socket, false);
        if ((events & EPOLLOUT) != 0) {
            if (::send(socket, word.data(), word.size(), MSG_NOSIGNAL) < 0) return end(socket, false);
            return poll_.change(socket, EPOLLIN);
        }
        std::array<char, word.size()> answer{};
        end(socket, ::recv(socket, answer.data(), answer.size(), MSG_DONTWAIT) > 0);
    }
    void end(int socket, bool is_served) {
        if (is_served) times_.push_back(std::chrono::duration<double, std::micro>(Clock::now() - open_[socket]).count());
        open_.erase(socket);
        ::close(socket);
    }

    Poll poll_;
    sockaddr_in to_;
    double rate_;
    std::uint64_t total_;
    std::uint64_t started_ = 0;
    double took_ = 0;
    Clock::time_point last_;
    std::unordered_map<int, Clock::time_point> open_;
    std::vector<double> times_;
};

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("bench_flows: both ends of many connections over loopback, for tests/bench/cost.py. Prints JSON.");
    std::uint16_t port = 0;
    int count = 0;
    double rate = 0;
    double seconds = 0;
    app.require_subcommand(1);
    auto* serving = app.add_subcommand("serve", "Echo at a port that is printed, until standard input ends");
    auto* holding = app.add_subcommand("hold", "Open so many connections, and use each again when a line comes in");
    auto* pacing = app.add_subcommand("rate", "Open so many connections a second, each for one word and its echo");
    for (auto* each : {holding, pacing}) each->add_option("port", port)->required();
    holding->add_option("count", count)->required();
    pacing->add_option("rate", rate)->required();
    pacing->add_option("seconds", seconds)->required();
    CLI11_PARSE(app, argc, argv);
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    if (*serving) return serve();
    if (*holding) return hold(port, count);
    Paced paced(port, rate, seconds);
    paced.run();
    paced.print();
    return 0;
}
