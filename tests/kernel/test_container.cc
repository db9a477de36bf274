// A container of a real runtime whose first act is to connect.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernel/elsewhere.h"
#include "kernel/playground.h"

namespace assent::kernel_tests {
namespace {

constexpr int containers = 12;

class Container : public ::testing::Test {
protected:
    Container() : folder(place.bpffs().string() + "-bundle") {
        for (const auto* each : {"rootfs/bin", "rootfs/proc", "rootfs/dev", "rootfs/sys", "state"})
            std::filesystem::create_directories(folder / each);
        std::filesystem::copy_file(std::filesystem::path(ASSENT_BINARY_DIR) / "tests/kernel/first_act",
                                   folder / "rootfs/bin/first_act");
        ::mkdir((place.top() / "runtime").c_str(), 0755);
        ::mkdir((place.top() / "docker").c_str(), 0755);
    }
    ~Container() override { std::filesystem::remove_all(folder); }

    // What it said, or why it did not run. The runtime is outside of every governed cgroup, and sees cgroup 2 where hosts
    // that have nothing else mount it.
    [[nodiscard]] std::string run(int number) const {
        const auto cgroup = fmt::format("/{}/docker/{:064x}", place.top().filename().string(), number);
        std::ofstream(folder / "config.json") << fmt::format(
            R"({{"ociVersion":"1.0.2","process":{{"user":{{"uid":65534,"gid":65534}},"args":["/bin/first_act","{}"],)"
            R"("cwd":"/","noNewPrivileges":true}},"root":{{"path":"rootfs","readonly":true}},)"
            R"("mounts":[{{"destination":"/proc","type":"proc","source":"proc"}}],)"
            R"("linux":{{"cgroupsPath":"{}","namespaces":[{{"type":"pid"}},{{"type":"mount"}},{{"type":"ipc"}}]}}}})",
            elsewhere.port, cgroup);
        const auto root = kernel::cgroup_root()->string();
        const auto mount = root == "/sys/fs/cgroup" ? "" : fmt::format("mount --rbind {} /sys/fs/cgroup && ", root);
        const auto command = fmt::format("{}exec crun --cgroup-manager=cgroupfs --root {}/state run -b {} assent-test-{}-{}",
                                         mount, folder.string(), folder.string(), ::getpid(), number);
        const auto said = folder / "said";
        static_cast<void>(inside(place.top() / "runtime", [&]() -> std::string {
            const Fd out(::open(said.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
            ::dup2(out.get(), STDOUT_FILENO);
            ::dup2(out.get(), STDERR_FILENO);
            ::execlp("unshare", "unshare", "--mount", "sh", "-c", command.c_str(), nullptr);
            return {};
        }));
        std::ifstream in(said);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    Playground place;
    Elsewhere elsewhere;
    std::filesystem::path folder;
};

TEST_F(Container, that_connects_at_once_is_held_back_or_led_to_the_proxy) {
    // Without assent it gets there: so what follows means something.
    ::fcntl(elsewhere.socket.get(), F_SETFL, 0);
    std::thread server([this] {
        const Fd accepted(::accept(elsewhere.socket.get(), nullptr, nullptr));
        EXPECT_EQ(::send(accepted.get(), "x", 1, MSG_NOSIGNAL), 1);
    });
    const auto before = run(0);
    if (before != "connected, then served\n") ::shutdown(elsewhere.socket.get(), SHUT_RDWR);
    server.join();
    ASSERT_EQ(before, "connected, then served\n");
    ::fcntl(elsewhere.socket.get(), F_SETFL, O_NONBLOCK);

    auto options = place.options();
    const auto pattern = "/" + place.top().filename().string() + "/docker/*";
    options.new_cgroups.are_held = true;
    options.new_cgroups.cgroups = {pattern};
    const auto redirect = kernel::Redirect::open(options);
    ASSERT_TRUE(redirect.has_value()) << redirect.error().message;
    ASSERT_TRUE((*redirect)->govern_cgroups({pattern}).has_value());
    place.listen();
    std::atomic<bool> is_stopping = false;
    std::thread daemon([&] {
        while (!is_stopping && (*redirect)->poll_events(20, [](const kernel::Event&) {}))
            static_cast<void>(place.accept_now());  // and closes it
    });
    int held = 0;
    for (int number = 1; number <= containers; ++number) {
        const auto said = run(number);
        const bool is_held = said == "socket: Operation not permitted\n";
        held += is_held ? 1 : 0;
        EXPECT_TRUE(is_held || said.starts_with("connected, then") || said.starts_with("connect: Connection")) << said;
        EXPECT_FALSE(said.ends_with("served\n")) << said;
        EXPECT_FALSE(elsewhere.was_reached());
    }
    is_stopping = true;
    daemon.join();
    std::cout << "           held back " << held << " of " << containers << "\n";
}

}  // namespace
}  // namespace assent::kernel_tests
