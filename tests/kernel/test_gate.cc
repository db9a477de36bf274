// New cgroups that are to be governed: nothing gets out before they are.
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernel/cgroup.h"
#include "kernel/elsewhere.h"
#include "kernel/glob_machine.h"
#include "kernel/pins.h"
#include "kernel/playground.h"

namespace assent::kernel_tests {
namespace {

constexpr int races = 500;

TEST(Globs, read_names_as_fnmatch_does) {
    const std::vector<std::string> pieces = {"a",    "b",    "-",   ".",           "*", "**",    "?",      "[ab]",
                                             "[!a]", "[]-]", "\\*", "[[:digit:]]", "7", "[^-b]", "[a-b7]", "service"};
    const std::vector<std::string> letters = {"a", "b", "-", ".", "*", "[", "]", "7", "\\", "service", "?"};
    std::mt19937 random(7);
    const auto some = [&](const std::vector<std::string>& of, unsigned most) {
        std::string out;
        for (auto count = random() % (most + 1); count > 0; --count) out += of[random() % of.size()];
        return out;
    };
    for (int i = 0; i < 20'000; ++i) {
        const auto pattern = some(pieces, 5);
        const auto name = some(letters, 6);
        const auto glob = kernel::compile_glob(pattern);
        ASSERT_TRUE(glob.has_value());
        ASSERT_EQ(kernel::fits(*glob, name), ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0) << pattern << " " << name;
        ASSERT_TRUE(kernel::fits(*kernel::compile_glob(kernel::literal_glob(name)), name));
    }
    EXPECT_TRUE(kernel::compile_glob(std::string(63, 'x')).has_value());
    EXPECT_FALSE(kernel::compile_glob(std::string(64, 'x')).has_value());
}

class Gate : public ::testing::Test {
protected:
    Gate() : slice(place.top() / "work.slice") { ::mkdir(slice.c_str(), 0755); }

    std::unique_ptr<kernel::Redirect> open(std::vector<std::string> units, std::vector<std::string> cgroups = {}) {
        auto options = gated();
        options.new_cgroups.units = units;
        for (auto& cgroup : cgroups) cgroup = "/" + place.top().filename().string() + cgroup;
        options.new_cgroups.cgroups = cgroups;
        auto opened = kernel::Redirect::open(options);
        EXPECT_TRUE(opened.has_value()) << opened.error().message;
        EXPECT_TRUE((*opened)->govern_units(units).has_value());
        EXPECT_TRUE((*opened)->govern_cgroups(cgroups).has_value());
        return std::move(*opened);
    }

    [[nodiscard]] std::string connect_from(const std::filesystem::path& cgroup) const {
        return inside(cgroup, [this] {
            Fd socket;
            return connect_to("127.0.0.1", elsewhere.port, socket);
        });
    }

    // A cgroup is made, joined and connected from at once, and removed, again and again.
    void race(const std::filesystem::path& cgroup, const std::function<void()>& each = {}) {
        std::map<std::string, int> ends;
        for (int i = 0; i < races; ++i) {
            ::rmdir(cgroup.c_str());
            ::mkdir(cgroup.c_str(), 0755);
            ++ends[connect_from(cgroup)];
            if (each) each();
            ASSERT_FALSE(elsewhere.was_reached()) << i;
        }
        ::rmdir(cgroup.c_str());
        for (const auto& [end, count] : ends)
            EXPECT_TRUE(end == "connected" || end == "socket EPERM") << count << " times " << end;
        RecordProperty("refused", ends["socket EPERM"]);
        std::cout << "           refused " << ends["socket EPERM"] << ", through the proxy " << ends["connected"] << "\n";
    }

    [[nodiscard]] kernel::RedirectOptions gated() const {
        auto options = place.options();
        options.new_cgroups.are_held = true;
        return options;
    }

    Playground place;
    Elsewhere elsewhere;
    std::filesystem::path slice;
};

// What assentd's thread for the kernel's events does.
class Daemon {
public:
    explicit Daemon(kernel::Redirect& redirect)
        : thread_([this, &redirect] {
              // A cgroup that is gone again while it is looked at is no reason to stop.
              while (!is_stopping_)
                  static_cast<void>(redirect.poll_events(50, [this](const kernel::Event& event) {
                      if (event.kind == kernel::Event::Kind::refused_new) ++told;
                  }));
          }) {}
    ~Daemon() {
        is_stopping_ = true;
        thread_.join();
    }
    std::atomic<int> told = 0;

private:
    std::atomic<bool> is_stopping_ = false;
    std::thread thread_;
};

TEST_F(Gate, a_slice_that_is_stopped_and_started_lets_nothing_out) {
    const auto redirect = open({});
    place.listen();
    ASSERT_TRUE(redirect->govern(place.governed()).has_value());
    const Daemon daemon(*redirect);
    race(place.governed(), [this] { static_cast<void>(place.accept_now()); });
}

TEST_F(Gate, a_unit_known_by_a_pattern_lets_nothing_out_from_its_first_moment) {
    const auto redirect = open({"agent-*.service", "docker-*.scope"});
    place.listen();
    const Daemon daemon(*redirect);
    race(slice / "agent-1.service", [this] { static_cast<void>(place.accept_now()); });
    race(slice / fmt::format("docker-{:064x}.scope", 0xdead), [this] { static_cast<void>(place.accept_now()); });
    EXPECT_GT(daemon.told, 0);
}

TEST_F(Gate, a_container_known_by_its_path_lets_nothing_out_from_its_first_moment) {
    ::mkdir((place.top() / "docker").c_str(), 0755);
    const auto redirect = open({}, {"/docker/*", "/kubepods/*/pod*/[0-9a-f]*"});
    place.listen();
    const Daemon daemon(*redirect);
    race(place.top() / "docker" / std::string(64, 'a'), [this] { static_cast<void>(place.accept_now()); });
    const auto pod = place.top() / "kubepods/burstable/pod-7";
    std::filesystem::create_directories(pod);
    race(pod / "0123", [this] { static_cast<void>(place.accept_now()); });
    // What is beside a pattern is not meant.
    EXPECT_EQ(connect_from(pod), "connected");
    EXPECT_TRUE(elsewhere.was_reached());
}

TEST_F(Gate, holds_with_the_daemon_dead_and_opens_when_it_is_back) {
    static_cast<void>(open({"agent-*.service"}, {"/docker/*"}));  // and it ends; what is pinned stays
    const auto unit = slice / "agent-1.service";
    const auto inner = unit / "inner";
    const auto container = place.top() / "docker/0123";
    const auto other = slice / "other.service";
    for (const auto& each : {unit, inner, container, other, other / "agent-2.service"})
        std::filesystem::create_directories(each);
    for (const auto& each : {unit, inner, container}) EXPECT_EQ(connect_from(each), "socket EPERM") << each;
    // A unit's own children have no unit's name, whatever they are called; neither is the slice held.
    for (const auto& each : {slice, other, other / "agent-2.service", place.top()}) {
        EXPECT_EQ(connect_from(each), "connected") << each;
        EXPECT_TRUE(elsewhere.was_reached());
    }
    const auto redirect = open({"agent-*.service"}, {"/docker/*"});
    place.listen();
    for (const auto& each : {unit, inner, container}) EXPECT_EQ(connect_from(each), "connected") << each;
    EXPECT_FALSE(elsewhere.was_reached());
    EXPECT_EQ(redirect->governed().size(), 2U);
}

TEST_F(Gate, opens_for_what_settings_no_longer_name_and_goes_with_them) {
    const auto unit = slice / "agent-1.service";
    ::mkdir(unit.c_str(), 0755);
    {
        auto options = gated();
        options.new_cgroups.units = {"agent-*.service"};
        ASSERT_TRUE(kernel::Redirect::open(options).has_value());
        EXPECT_EQ(connect_from(unit), "socket EPERM");
    }
    ASSERT_TRUE(kernel::Redirect::open(gated()).has_value());
    EXPECT_EQ(connect_from(unit), "connected");
    EXPECT_TRUE(elsewhere.was_reached());
    auto options = gated();
    options.new_cgroups.are_held = false;
    ASSERT_TRUE(kernel::Redirect::open(options).has_value());
    EXPECT_FALSE(std::filesystem::exists(kernel::Pins(place.bpffs()).gate()));
}

TEST_F(Gate, never_holds_the_daemon_or_what_it_is_in) {
    auto options = gated();
    options.new_cgroups.units = {"*"};
    options.new_cgroups.cgroups = {"/" + place.top().filename().string() + "/*"};
    const auto redirect = kernel::Redirect::open(options);
    ASSERT_TRUE(redirect.has_value()) << redirect.error().message;
    EXPECT_EQ(connect_from(place.daemon()), "connected");
    EXPECT_TRUE(elsewhere.was_reached());
    EXPECT_EQ(connect_from(slice), "socket EPERM");
}

// Nanoseconds of one socket() and close(), the best of some runs.
double cost_of_socket(const std::filesystem::path& cgroup) {
    return std::stod(inside(cgroup, [] {
        constexpr int runs = 7;
        constexpr int sockets = 20'000;
        auto best = std::chrono::nanoseconds::max();
        for (int run = 0; run < runs; ++run) {
            const auto start = std::chrono::steady_clock::now();
            for (int i = 0; i < sockets; ++i) const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
        }
        return fmt::format("{}", static_cast<double>(best.count()) / sockets);
    }));
}

TEST_F(Gate, costs_others_next_to_nothing) {
    const auto other = slice / "other.service";
    ::mkdir(other.c_str(), 0755);
    const auto without = cost_of_socket(other);
    const auto redirect = open({"agent-*.service", "docker-*.scope"}, {"/docker/*"});
    const auto with = cost_of_socket(other);
    std::cout << fmt::format("           {:.0f} ns without, {:.0f} ns with\n", without, with);
    EXPECT_LT(with, without * 1.5 + 300);
}

TEST_F(Gate, is_repaired_and_detached_like_the_rest) {
    const auto redirect = open({"agent-*.service"});
    const auto pin = kernel::Pins(place.bpffs()).gate() / "sock_create";
    ASSERT_EQ(::unlink(pin.c_str()), 0);
    const auto repaired = redirect->check();
    ASSERT_TRUE(repaired.has_value());
    EXPECT_EQ(repaired->size(), 1U);
    EXPECT_TRUE(std::filesystem::exists(pin));
    ASSERT_TRUE(kernel::detach_all(place.bpffs()).has_value());
    const auto unit = slice / "agent-1.service";
    ::mkdir(unit.c_str(), 0755);
    EXPECT_EQ(connect_from(unit), "connected");
    EXPECT_TRUE(elsewhere.was_reached());
}

TEST_F(Gate, holds_unix_sockets_but_those_that_agents_always_reach) {
    const auto redirect = open({});
    if (!redirect->has_unix()) return;
    const auto path = place.bpffs().string() + "-always.sock";
    ASSERT_TRUE(redirect->set_unix_rules({{path, kernel::UnixRule::Action::pass, {}}}, false).has_value());
    std::vector<Fd> services;
    const auto address_at = [](const std::string& at) {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        at.copy(static_cast<char*>(address.sun_path), sizeof(address.sun_path) - 1);
        return address;
    };
    const std::vector<std::string> paths = {path, place.bpffs().string() + "-other.sock"};
    for (const auto& each : paths) {
        const auto address = address_at(each);
        services.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(::bind(services.back().get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
        ASSERT_EQ(::listen(services.back().get(), 4), 0);
    }
    auto options = gated();
    options.new_cgroups.units = {"agent-*.service"};
    ASSERT_TRUE(kernel::Redirect::open(options).has_value());
    const auto unit = slice / "agent-1.service";
    ::mkdir(unit.c_str(), 0755);
    const auto said = inside(unit, [&] {
        std::string out;
        for (const auto& each : paths) {
            const auto address = address_at(each);
            const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
            const bool is_connected =
                ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
            out += error_name(is_connected ? 0 : errno) + " ";
        }
        return out;
    });
    for (const auto& each : paths) ::unlink(each.c_str());
    EXPECT_EQ(said, "connected EPERM ");
}

TEST_F(Gate, opens_at_once_for_a_cgroup_that_is_governed_by_name) {
    const auto redirect = open({"agent-*.service"});
    place.listen();
    const auto unit = slice / "agent-1.service";
    ::mkdir(unit.c_str(), 0755);
    EXPECT_EQ(connect_from(unit), "socket EPERM");
    const auto path = "/" + place.top().filename().string() + "/work.slice/agent-1.service";
    EXPECT_EQ(redirect->cgroups_of_unit("agent-1.service"), std::vector<std::string>{path});
    EXPECT_TRUE(redirect->cgroups_of_unit("agent-*.service").empty());
    ASSERT_TRUE(redirect->govern_now(path).has_value());
    EXPECT_EQ(connect_from(unit), "connected");
    EXPECT_FALSE(elsewhere.was_reached());
    EXPECT_EQ(redirect->govern_now(path + "-not").error().code, Errc::not_found);
    EXPECT_EQ(redirect->govern_now("/../etc").error().code, Errc::not_found);
    EXPECT_FALSE(redirect->govern_now("/" + place.daemon().lexically_relative(*kernel::cgroup_root()).string()).has_value());
    ASSERT_EQ(::rmdir(unit.c_str()), 0);
    ASSERT_TRUE(redirect->check().has_value());
    EXPECT_FALSE(std::filesystem::exists(unit));  // unlike those of govern(), which are made again
    EXPECT_TRUE(redirect->governed().empty());
}

}  // namespace
}  // namespace assent::kernel_tests
