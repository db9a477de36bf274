// Names: what agents ask resolvers is seen, and what they learn is learned.
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernel/names.h"
#include "kernel/playground.h"
#include "wire/dns/answer.h"

namespace assent::kernel_tests {
namespace {

constexpr const char* resolver = "127.0.0.77";

// Answers A questions with 10.1.2.3, and others with nothing.
void serve_dns(int socket, int count) {
    for (int i = 0; i < count; ++i) {
        std::array<unsigned char, 512> message{};
        sockaddr_storage from{};
        socklen_t size = sizeof(from);
        pollfd waited{socket, POLLIN, 0};
        if (::poll(&waited, 1, 3000) <= 0) return;
        auto length = ::recvfrom(socket, message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
        if (length < 17) return;
        // Up to the end of the question: what follows (EDNS) is dropped.
        std::size_t at = 12;
        while (at < message.size() && message[at] != 0) at += message[at] + 1U;
        at += 5;
        const bool is_a = message[at - 3] == 1;
        message[2] = 0x81;
        message[3] = 0x80;
        message[7] = is_a ? 1 : 0;
        message[11] = 0;
        static constexpr std::array<unsigned char, 16> answer{0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 1, 2, 3};
        if (is_a) {
            std::copy(answer.begin(), answer.end(), message.begin() + static_cast<std::ptrdiff_t>(at));
            at += answer.size();
        }
        static_cast<void>(::sendto(socket, message.data(), at, 0, reinterpret_cast<const sockaddr*>(&from), size));
    }
}

class Naming : public ::testing::Test {
protected:
    void SetUp() override {
        redirect = place.open();
        ASSERT_TRUE(redirect->govern(place.governed()).has_value());
        socket = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        socklen_t size = 0;
        const auto address = address_of(resolver, 53, size);
        ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    }
    Playground place;
    std::unique_ptr<kernel::Redirect> redirect;
    Fd socket;
};

std::string look_up(const std::string& name) {
    // Its own view of /etc/resolv.conf.
    if (::unshare(CLONE_NEWNS) != 0) return "unshare";
    const auto file = fmt::format("/tmp/assent-resolv-{}", ::getpid());
    std::ofstream(file) << "nameserver " << resolver << "\noptions timeout:1 attempts:1\n";
    const auto mounted = ::mount(file.c_str(), "/etc/resolv.conf", nullptr, MS_BIND, nullptr);
    ::unlink(file.c_str());
    if (mounted != 0) return "mount " + error_name(errno);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (const int error = ::getaddrinfo(name.c_str(), "5432", &hints, &list); error != 0) return ::gai_strerror(error);
    std::array<char, 64> text{};
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(list->ai_addr)->sin_addr, text.data(), text.size());
    ::freeaddrinfo(list);
    return text.data();
}

TEST_F(Naming, an_agents_lookup_works_and_is_learned) {
    Child server({}, [this] {
        serve_dns(socket.get(), 2);
        return std::string();
    });
    EXPECT_EQ(inside(place.governed(), [] { return look_up("payments-db.internal.test."); }), "10.1.2.3");
    kernel::LearnedNames names(system_clock());
    int answers = 0;
    ASSERT_TRUE(redirect
                    ->poll_events(200,
                                  [&](const kernel::Event& event) {
                                      // The C library asks its name cache first, which no rule of this test names.
                                      if (event.kind == kernel::Event::Kind::refused_unix) return;
                                      ASSERT_EQ(event.kind, kernel::Event::Kind::dns_answer);
                                      EXPECT_EQ(event.address.to_text(), "127.0.0.77:53");
                                      EXPECT_EQ(event.agent.comm, "kernel_hooks");
                                      EXPECT_GT(event.agent.pid, 0);
                                      const auto answer = wire::dns::parse_answer(event.dns);
                                      ASSERT_TRUE(answer.has_value()) << answer.error().message;
                                      ++answers;
                                      EXPECT_EQ(answer->question, "payments-db.internal.test");
                                      for (const auto& record : answer->of_question())
                                          names.learn(record.name, record.address, record.ttl_seconds);
                                  })
                    .has_value());
    EXPECT_EQ(answers, 2);
    EXPECT_TRUE(names.leads_to("Payments-DB.internal.test", *model::IpAddress::parse("10.1.2.3")));
    EXPECT_FALSE(names.leads_to("payments-db.internal.test", *model::IpAddress::parse("10.1.2.4")));
}

TEST_F(Naming, a_resolver_that_is_no_more_is_refused) {
    ASSERT_TRUE(redirect->set_resolvers({*model::IpAddress::parse("127.0.0.78")}).has_value());
    Child server({}, [this] {
        serve_dns(socket.get(), 1);
        return std::string();
    });
    EXPECT_NE(inside(place.governed(), [] { return look_up("payments-db.internal.test."); }), "10.1.2.3");
}

TEST_F(Naming, an_agent_cannot_answer_its_own_questions) {
    // In a network namespace of its own it is root, has the resolver's address, and would like to be the resolver.
    ASSERT_TRUE(redirect->set_resolvers({*model::IpAddress::parse(resolver)}).has_value());
    const auto result = inside(place.governed(), [] {
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return "unshare " + error_name(errno);
        socklen_t size = 0;
        const auto address = address_of(resolver, 53, size);
        const Fd own(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        return ::bind(own.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0 ? std::string("bound")
                                                                                         : error_name(errno);
    });
    EXPECT_EQ(result, "EPERM");
}

}  // namespace
}  // namespace assent::kernel_tests
