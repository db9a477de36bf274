// What governing costs: connect() and round trips of a governed process, of one that is not, and of one that is not before
// anything is governed; interleaved on one machine, so read the figures as ratios. The proxy is a stand-in that echoes, so
// that the way is as long. Then how long each program ran, as the kernel counts. Needs root; all traffic is loopback's.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <bpf/bpf.h>
#include <fmt/format.h>

#include "kernel/pins.h"
#include "kernel/playground.h"

namespace assent::kernel_tests {
namespace {

struct Size {
    int rounds = 9;
    int connects = 2000;
    int trips = 5000;
};

double microseconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
    if (values.empty()) return 0;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

void send_at_once(int socket) {
    const int on = 1;
    ::setsockopt(socket, SOL_TCP, TCP_NODELAY, &on, sizeof(on));
}

Fd listen_at(std::uint16_t port) {
    Fd out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    socklen_t size = 0;
    const auto at = address_of("127.0.0.1", port, size);
    const bool is_listening =
        ::bind(out.get(), reinterpret_cast<const sockaddr*>(&at), size) == 0 && ::listen(out.get(), 4096) == 0;
    if (!is_listening) throw std::runtime_error(fmt::format("listening at port {}", port));
    return out;
}

std::uint16_t port_of(const Fd& socket) {
    sockaddr_in at{};
    socklen_t size = sizeof(at);
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&at), &size);
    return ntohs(at.sin_port);
}

// Connections are taken and echoed a byte at a time until the other side closes.
[[noreturn]] void serve(const std::vector<Fd>& listeners) {
    const Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    const auto watch = [&](int socket, bool is_listener) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = static_cast<std::uint64_t>(socket) << 1U | (is_listener ? 1U : 0U);
        ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, socket, &event);
    };
    for (const auto& listener : listeners) watch(listener.get(), true);
    while (true) {
        std::array<epoll_event, 64> ready{};
        const int count = ::epoll_wait(epoll.get(), ready.data(), static_cast<int>(ready.size()), -1);
        for (int i = 0; i < count; ++i) {
            const auto data = ready[static_cast<std::size_t>(i)].data.u64;
            const int socket = static_cast<int>(data >> 1U);
            if ((data & 1U) != 0) {
                const int taken = ::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC);
                if (taken < 0) continue;
                send_at_once(taken);
                watch(taken, false);
                continue;
            }
            char byte = 0;
            if (::read(socket, &byte, 1) != 1 || ::write(socket, &byte, 1) != 1) ::close(socket);
        }
    }
}

// "median of connect() and of a round trip", in microseconds; or what went wrong.
std::string measure(std::uint16_t port, const Size& size) {
    std::vector<double> connects;
    std::vector<double> trips;
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < size.connects; ++i) {
        Fd socket;
        const auto start = std::chrono::steady_clock::now();
        const auto result = connect_to("127.0.0.1", port, socket);
        if (result != "connected") return result;
        connects.push_back(microseconds_since(start));
        ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    Fd socket;
    if (const auto result = connect_to("127.0.0.1", port, socket); result != "connected") return result;
    send_at_once(socket.get());
    for (int i = 0; i < size.trips; ++i) {
        char byte = 'x';
        const auto start = std::chrono::steady_clock::now();
        if (::write(socket.get(), &byte, 1) != 1 || ::read(socket.get(), &byte, 1) != 1) return "closed";
        trips.push_back(microseconds_since(start));
    }
    return fmt::format("{} {}", median(connects), median(trips));
}

struct Series {
    std::vector<double> connects;
    std::vector<double> trips;
    void add(const std::string& text) {
        std::istringstream in(text);
        double connect = 0;
        double trip = 0;
        if (!(in >> connect >> trip)) throw std::runtime_error("a measurement failed: " + text);
        connects.push_back(connect);
        trips.push_back(trip);
    }
};

struct Runs {
    std::uint64_t count = 0;
    std::uint64_t nanoseconds = 0;
};

// Of the programs whose links are pinned, by name.
std::map<std::string, Runs> runs_of(const Playground& place) {
    std::map<std::string, Runs> out;
    const kernel::Pins pins(place.bpffs());
    for (const auto& entry : std::filesystem::recursive_directory_iterator(pins.folder)) {
        if (entry.is_directory() || entry.path().parent_path().filename() == "maps") continue;
        const Fd link(bpf_obj_get(entry.path().c_str()));
        bpf_link_info link_info{};
        __u32 size = sizeof(link_info);
        if (!link.is_open() || bpf_obj_get_info_by_fd(link.get(), &link_info, &size) != 0) continue;
        const Fd program(bpf_prog_get_fd_by_id(link_info.prog_id));
        bpf_prog_info info{};
        size = sizeof(info);
        if (!program.is_open() || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) continue;
        out[entry.path().filename().string()] = {info.run_cnt, info.run_time_ns};
    }
    return out;
}

void print_row(const std::string& what, const Series& of, const Series& base) {
    const auto ratio = [](const std::vector<double>& left, const std::vector<double>& right) {
        std::vector<double> out;
        for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) out.push_back(left[i] / right[i]);
        return median(out);
    };
    std::cout << fmt::format("| {} | {:.1f} | {:.2f} | {:.1f} | {:.2f} |\n", what, median(of.connects),
                             ratio(of.connects, base.connects), median(of.trips), ratio(of.trips, base.trips));
}

void print_programs(const std::map<std::string, Runs>& before, const std::map<std::string, Runs>& after) {
    std::cout << "\n| program | runs | ns a run |\n|---|---:|---:|\n";
    for (const auto& [name, runs] : after) {
        const auto earlier = before.contains(name) ? before.at(name) : Runs{};
        const auto count = runs.count - earlier.count;
        if (count == 0) continue;
        std::cout << fmt::format("| {} | {} | {:.0f} |\n", name, count,
                                 static_cast<double>(runs.nanoseconds - earlier.nanoseconds) / static_cast<double>(count));
    }
}

void run(const Size& size) {
    const Playground place;
    std::vector<Fd> listeners;
    listeners.push_back(listen_at(0));
    const auto target = port_of(listeners.front());
    for (const auto port : place.ports()) listeners.push_back(listen_at(port));
    const Child server(place.daemon(), [&]() -> std::string { serve(listeners); });

    const auto outside = [&] { return inside({}, [&] { return measure(target, size); }); };
    Series alone;
    Series beside;
    Series governed;
    for (int i = 0; i < size.rounds; ++i) alone.add(outside());
    const auto redirect = place.open();
    if (const auto done = redirect->govern(place.governed()); !done) throw std::runtime_error(done.error().message);
    for (int i = 0; i < size.rounds; ++i) {
        beside.add(outside());
        governed.add(inside(place.governed(), [&] { return measure(target, size); }));
    }
    std::cout << "| process | connect, µs | of one beside | round trip, µs | of one beside |\n|---|---:|---:|---:|---:|\n";
    print_row("not governed, nothing is", alone, beside);
    print_row("not governed, beside one that is", beside, beside);
    print_row("governed", governed, beside);

    const Fd counting(bpf_enable_stats(BPF_STATS_RUN_TIME));  // costs time itself: apart from the rest
    if (!counting.is_open()) throw std::runtime_error("the kernel does not count how long programs run");
    const auto before = runs_of(place);
    (void)inside(place.governed(), [&] { return measure(target, size); });
    print_programs(before, runs_of(place));
}

}  // namespace
}  // namespace assent::kernel_tests

int main(int argc, char** argv) {
    CLI::App app("kernel_cost: what the hooks cost a governed process, and one that is not, on this machine. Needs root.");
    bool is_quick = false;
    assent::kernel_tests::Size size;
    app.add_option("--rounds", size.rounds, "measurements of each kind, interleaved")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_flag("--quick", is_quick, "as little as shows that it runs: its figures mean nothing");
    CLI11_PARSE(app, argc, argv);
    if (is_quick) size = {.rounds = 1, .connects = 50, .trips = 50};
    try {
        assent::kernel_tests::run(size);
    } catch (const std::exception& error) {
        std::cerr << "kernel_cost: " << error.what() << "\n";
        return 1;
    }
    return 0;
}
