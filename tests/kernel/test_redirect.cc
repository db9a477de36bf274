// Where governed connections go, and what the daemon learns of them.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "abi.h"
#include "kernel/cgroup.h"
#include "kernel/playground.h"

namespace assent::kernel_tests {
namespace {

class Redirecting : public ::testing::Test {
protected:
    void SetUp() override {
        redirect = place.open();
        place.listen();
        const auto governed = redirect->govern(place.governed());
        ASSERT_TRUE(governed.has_value()) << governed.error().message;
    }
    // What the daemon sees of the next connection: "10.9.8.7:5432 comm", or why not.
    std::string next_origin() {
        const auto accepted = place.accept();
        if (!accepted.is_open()) return "nobody came";
        const auto origin = redirect->origin_of(accepted.get());
        return origin ? origin->asked_for.to_text() : origin.error().message;
    }

    Playground place;
    std::unique_ptr<kernel::Redirect> redirect;
};

TEST_F(Redirecting, sends_ipv4_to_the_proxy_and_remembers_where_it_was_going) {
    const auto seen = inside(place.governed(), [] {
        Fd socket;
        const auto result = connect_to("10.9.8.7", 5432, socket);
        return result + " " + peer_of(socket.get());
    });
    EXPECT_EQ(seen, "connected 10.9.8.7:5432");
    EXPECT_EQ(next_origin(), "10.9.8.7:5432");
}

TEST_F(Redirecting, sends_ipv6_to_the_proxy) {
    const auto seen = inside(place.governed(), [] {
        Fd socket;
        const auto result = connect_to("fd00:1::5", 5432, socket);
        return result + " " + peer_of(socket.get());
    });
    EXPECT_EQ(seen, "connected [fd00:1::5]:5432");
    EXPECT_EQ(next_origin(), "[fd00:1::5]:5432");
}

TEST_F(Redirecting, sends_v4_mapped_addresses_to_the_proxy_as_ipv4) {
    const auto seen = inside(place.governed(), [] {
        Fd socket;
        const auto result = connect_to("::ffff:10.9.8.7", 5432, socket);
        return result + " " + peer_of(socket.get());
    });
    EXPECT_EQ(seen, "connected [::ffff:10.9.8.7]:5432");
    EXPECT_EQ(next_origin(), "10.9.8.7:5432");
}

TEST_F(Redirecting, takes_loopback_and_unspecified_targets_too) {
    for (const auto& [asked, seen] : {std::pair{"127.0.0.1", "127.0.0.1:5432"},
                                      {"0.0.0.0", "127.0.0.1:5432"},
                                      {"127.9.9.9", "127.9.9.9:5432"},
                                      {"::1", "[::1]:5432"},
                                      {"::", "[::1]:5432"}}) {
        EXPECT_EQ(inside(place.governed(),
                         [&] {
                             Fd socket;
                             return connect_to(asked, 5432, socket);
                         }),
                  "connected");
        EXPECT_EQ(next_origin(), seen) << asked;
    }
}

TEST_F(Redirecting, tells_who_connected) {
    ASSERT_EQ(::mkdir((place.governed() / "job.service").c_str(), 0755), 0);
    Child agent(place.governed() / "job.service", [] {
        if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) return std::string("setuid");
        Fd socket;
        auto result = connect_to("10.9.8.7", 5432, socket);
        ::usleep(200'000);  // so that its program can still be read
        return result;
    });
    const auto accepted = place.accept();
    ASSERT_TRUE(accepted.is_open());
    const auto origin = redirect->origin_of(accepted.get());
    ASSERT_TRUE(origin.has_value()) << origin.error().message;
    const auto& who = origin->agent;
    EXPECT_EQ(who.pid, agent.pid());
    EXPECT_EQ(who.uid, 65534U);
    EXPECT_EQ(who.comm, "kernel_hooks");
    EXPECT_EQ(who.unit, "job.service");
    EXPECT_EQ(who.slice, place.governed().filename().string());
    EXPECT_TRUE(who.cgroup_path.ends_with("/job.service"));
    EXPECT_EQ(who.exe, std::filesystem::read_symlink("/proc/self/exe").string());
    EXPECT_GT(who.start_time_ns, 0U);
    EXPECT_TRUE(redirect->is_governed(who.cgroup_id));
    EXPECT_FALSE(redirect->is_governed(*kernel::cgroup_id_of(place.daemon())));
    EXPECT_EQ(agent.finish(), "connected");
}

TEST_F(Redirecting, believes_no_program_path_that_changed_since) {
    // Connects, then executes something with a better name: the connection was not that program's.
    Child agent(place.governed(), [] {
        const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
        socklen_t size = 0;
        const auto address = address_of("10.9.8.7", 5432, size);
        if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), size) != 0) return std::string("connect");
        ::execl("/bin/sleep", "sleep", "5", nullptr);
        return std::string("exec");
    });
    const auto accepted = place.accept();
    ASSERT_TRUE(accepted.is_open());
    for (int tries = 0; tries < 100; ++tries) {
        std::ifstream comm(fmt::format("/proc/{}/comm", agent.pid()));
        std::string name;
        if (comm >> name; name == "sleep") break;
        ::usleep(10'000);
    }
    const auto origin = redirect->origin_of(accepted.get());
    ASSERT_TRUE(origin.has_value());
    EXPECT_EQ(origin->agent.exe, "");
    EXPECT_EQ(origin->agent.pid, agent.pid());
}

TEST_F(Redirecting, knows_the_origin_of_a_client_that_closes_at_once) {
    for (const bool is_reset : {false, true}) {
        EXPECT_EQ(inside(place.governed(),
                         [&] {
                             Fd socket;
                             auto result = connect_to("10.9.8.7", 5432, socket);
                             const linger hard{1, 0};
                             if (is_reset) ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
                             return result;
                         }),
                  "connected");
        EXPECT_EQ(next_origin(), "10.9.8.7:5432") << is_reset;
    }
}

TEST_F(Redirecting, knows_each_of_many_connections) {
    constexpr int count = 500;
    Child agent(place.governed(), [] {
        for (int i = 0; i < count; ++i) {
            Fd socket;
            const auto result =
                connect_to(fmt::format("10.9.{}.{}", i / 200, i % 200 + 1), static_cast<std::uint16_t>(1000 + i), socket);
            if (result != "connected") return result;
            const auto own = fmt::format("10.9.{}.{}:{}", i / 200, i % 200 + 1, 1000 + i);
            if (::write(socket.get(), own.data(), own.size()) < 0) return std::string("write");
        }
        return std::string("done");
    });
    for (int i = 0; i < count; ++i) {
        const auto accepted = place.accept();
        ASSERT_TRUE(accepted.is_open()) << i;
        std::array<char, 64> said{};
        ASSERT_GT(::read(accepted.get(), said.data(), said.size()), 0);
        const auto origin = redirect->origin_of(accepted.get());
        ASSERT_TRUE(origin.has_value()) << origin.error().message;
        EXPECT_EQ(origin->asked_for.to_text(), std::string(said.data()));
    }
    EXPECT_EQ(agent.finish(), "done");
}

TEST_F(Redirecting, follows_non_blocking_connects) {
    EXPECT_EQ(inside(place.governed(),
                     [] {
                         Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
                         auto first = connect_to("10.9.8.7", 5432, socket);
                         pollfd waited{socket.get(), POLLOUT, 0};
                         ::poll(&waited, 1, 1000);
                         int error = -1;
                         socklen_t size = sizeof(error);
                         ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
                         return fmt::format("{} {} {}", first, error, peer_of(socket.get()));
                     }),
              "EINPROGRESS 0 10.9.8.7:5432");
    EXPECT_EQ(next_origin(), "10.9.8.7:5432");
}

TEST_F(Redirecting, follows_a_socket_that_is_connected_twice) {
    EXPECT_EQ(inside(place.governed(),
                     [] {
                         Fd socket;
                         auto first = connect_to("10.9.8.7", 5432, socket);
                         const auto again = connect_to("10.9.8.8", 5433, socket);
                         const auto before = peer_of(socket.get());
                         sockaddr nowhere{};
                         nowhere.sa_family = AF_UNSPEC;
                         ::connect(socket.get(), &nowhere, sizeof(nowhere));
                         const auto between = peer_of(socket.get());
                         const auto second = connect_to("10.9.8.8", 5433, socket);
                         return fmt::format("{} {} {} | {} | {} {}", first, again, before, between, second,
                                            peer_of(socket.get()));
                     }),
              "connected EISCONN 10.9.8.7:5432 | ENOTCONN | connected 10.9.8.8:5433");
    const auto one = next_origin();
    const auto other = next_origin();
    EXPECT_EQ(std::min(one, other), "10.9.8.7:5432");
    EXPECT_EQ(std::max(one, other), "10.9.8.8:5433");
}

TEST_F(Redirecting, follows_a_bound_source) {
    EXPECT_EQ(inside(place.governed(),
                     [] {
                         Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
                         const int on = 1;
                         ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
                         socklen_t size = 0;
                         const auto address = address_of("127.0.0.1", agent_port, size);
                         if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
                             return error_name(errno);
                         return connect_to("10.9.8.7", 5432, socket);
                     }),
              "connected");
    EXPECT_EQ(next_origin(), "10.9.8.7:5432");
}

TEST_F(Redirecting, follows_tcp_fast_open) {
    EXPECT_EQ(inside(place.governed(),
                     [] {
                         Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
                         socklen_t size = 0;
                         const auto address = address_of("10.9.8.7", 5432, size);
                         const auto sent = ::sendto(socket.get(), "hello", 5, MSG_FASTOPEN,
                                                    reinterpret_cast<const sockaddr*>(&address), size);
                         return fmt::format("{} {}", sent, peer_of(socket.get()));
                     }),
              "5 10.9.8.7:5432");
    EXPECT_EQ(next_origin(), "10.9.8.7:5432");
}

TEST_F(Redirecting, refuses_a_connection_straight_to_the_proxy) {
    for (const auto* ip : {"127.0.0.1", "127.1.2.3", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"}) {
        EXPECT_EQ(inside(place.governed(),
                         [&] {
                             Fd socket;
                             return connect_to(ip, place.ports().front(), socket);
                         }),
                  "EPERM")
            << ip;
    }
    bool is_told = false;
    ASSERT_TRUE(redirect->poll_events(100, [&](const kernel::Event& event) {
        is_told |= event.kind == kernel::Event::Kind::refused_connect && event.address.port == place.ports().front();
    }));
    EXPECT_TRUE(is_told);
}

TEST_F(Redirecting, knows_nothing_of_a_stranger_who_connects_to_the_proxy) {
    Fd stranger;
    ASSERT_EQ(connect_to("127.0.0.1", place.ports().front(), stranger), "connected");
    const auto accepted = place.accept();
    ASSERT_TRUE(accepted.is_open());
    const auto origin = redirect->origin_of(accepted.get());
    ASSERT_FALSE(origin.has_value());
    EXPECT_EQ(origin.error().code, Errc::not_found);
}

TEST_F(Redirecting, leaves_others_alone) {
    Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    socklen_t size = 0;
    auto address = address_of("127.0.0.1", 0, size);
    ASSERT_EQ(::bind(server.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(server.get(), 4), 0);
    ASSERT_EQ(::getsockname(server.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    const auto port = ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
    const auto seen = inside(place.daemon(), [&] {
        Fd socket;
        const auto result = connect_to("127.0.0.1", port, socket);
        return result + " " + peer_of(socket.get());
    });
    EXPECT_EQ(seen, fmt::format("connected 127.0.0.1:{}", port));
}

// Of this thread: other programs on the machine do not count.
std::chrono::nanoseconds processor_time() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

TEST_F(Redirecting, reads_an_origin_in_about_a_microsecond) {
    Child agent(place.governed(), [] {
        Fd socket;
        auto result = connect_to("10.9.8.7", 5432, socket);
        ::usleep(500'000);
        return result;
    });
    const auto accepted = place.accept();
    ASSERT_TRUE(accepted.is_open());
    constexpr int rounds = 20'000;
    ASSERT_TRUE(redirect->origin_of(accepted.get()).has_value());
    const auto begin = processor_time();
    for (int i = 0; i < rounds; ++i) ASSERT_TRUE(redirect->origin_of(accepted.get()).has_value());
    const auto each = (processor_time() - begin) / rounds;
    // The part of it that is the kernel's: one system call.
    const Fd map(bpf_obj_get((place.bpffs() / "assent/maps/accepted").c_str()));
    const int key = accepted.get();
    assent_origin raw{};
    const auto raw_begin = processor_time();
    for (int i = 0; i < rounds; ++i) ASSERT_EQ(bpf_map_lookup_elem(map.get(), &key, &raw), 0);
    const auto of_kernel = (processor_time() - raw_begin) / rounds;
    RecordProperty("nanoseconds", static_cast<int>(each.count()));
    std::cout << "origin_of: " << each.count() << " ns, the kernel's look-up of it " << of_kernel.count() << " ns\n";
    EXPECT_LT(each, std::chrono::microseconds(20));
}

}  // namespace
}  // namespace assent::kernel_tests
