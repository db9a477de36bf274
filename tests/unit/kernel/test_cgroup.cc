// Names of cgroups, runs and resolvers, and the note of a detach: what needs no privilege.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kernel/cgroup.h"
#include "kernel/confine.h"
#include "kernel/detach_note.h"
#include "kernel/identity.h"
#include "kernel/redirect.h"
#include "kernel/runs.h"

namespace assent::kernel {
namespace {

class Folder {
public:
    Folder() {
        std::string name = "/tmp/assent-unit-XXXXXX";
        path = ::mkdtemp(name.data());
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    std::filesystem::path path;
};

TEST(UnitNames, are_those_that_systemd_made) {
    EXPECT_EQ(unit_names("/agents.slice/agent-1.service").unit, "agent-1.service");
    EXPECT_EQ(unit_names("/agents.slice/agents-night.slice/a.service").slice, "agents-night.slice");
    EXPECT_EQ(unit_names("/assent.slice/run-nightly-1.scope").unit, "run-nightly-1.scope");
    EXPECT_EQ(unit_names("/plain/folder").unit, "");
    EXPECT_EQ(unit_names("/").slice, "");
    EXPECT_EQ(unit_names("").unit, "");
}

TEST(UnitNames, an_agent_gets_no_other_name_by_making_cgroups_below_its_own) {
    const auto names = unit_names("/agents.slice/agent-1.service/migrator.slice/migrator.service");
    EXPECT_EQ(names.unit, "agent-1.service");
    EXPECT_EQ(names.slice, "agents.slice");
}

TEST(IsWithin, compares_whole_names) {
    EXPECT_TRUE(is_within("/a.slice", "/a.slice"));
    EXPECT_TRUE(is_within("/a.slice/b", "/a.slice"));
    EXPECT_TRUE(is_within("/a.slice/b", "/"));
    EXPECT_FALSE(is_within("/a.slices/b", "/a.slice"));
    EXPECT_FALSE(is_within("/a", "/a.slice"));
    EXPECT_FALSE(is_within("", "/a.slice"));
}

TEST(RunNames, are_plain_words) {
    for (const auto* name : {"nightly", "nightly-1", "a.b_c", "9"}) EXPECT_TRUE(is_run_name(name)) << name;
    for (const auto* name : {"", "../up", "a/b", ".hidden", "-x", "_x", "a b", "a\nb", "é"})
        EXPECT_FALSE(is_run_name(name)) << name;
    EXPECT_FALSE(is_run_name(std::string(65, 'a')));
    EXPECT_TRUE(is_run_name(std::string(64, 'a')));
}

TEST(HostResolvers, are_the_nameserver_lines) {
    const Folder folder;
    const auto file = folder.path / "resolv.conf";
    std::ofstream(file) << "# nameserver 9.9.9.9\nsearch internal\nnameserver 10.0.0.2\nnameserver\tfd00::53\nnameserver "
                           "fe80::1%eth0\nnameserver nonsense\n";
    std::vector<std::string> texts;
    for (const auto& address : host_resolvers(file)) texts.push_back(address.to_text());
    EXPECT_EQ(texts, (std::vector<std::string>{"10.0.0.2", "fd00::53", "fe80::1"}));
    EXPECT_EQ(host_search_domains(file), (std::vector<std::string>{"internal"}));
    EXPECT_TRUE(host_search_domains(folder.path / "none").empty());
    EXPECT_EQ(host_resolvers(folder.path / "none").front().to_text(), "127.0.0.1");
}

TEST(StartTicks, tell_processes_apart) {
    EXPECT_GT(start_ticks_of(::getpid()), 0U);
    EXPECT_EQ(start_ticks_of(0x7ffffff0), 0U);
}

TEST(Accounts, refuse_root) {
    const auto root = choose_account("root");
    ASSERT_FALSE(root.has_value());
    EXPECT_EQ(root.error().code, Errc::invalid);
    EXPECT_NE(root.error().message.find("--user"), std::string::npos);
    EXPECT_FALSE(choose_account("0").has_value());
    EXPECT_EQ(choose_account("no-such-user-here").error().code, Errc::not_found);
    if (::getuid() == 0) {
        EXPECT_EQ(choose_account("nobody")->uid, 65534U);
    }
}

TEST(Accounts, take_the_caller_under_sudo) {
    if (::getuid() != 0) return;
    ::unsetenv("SUDO_UID");
    EXPECT_FALSE(choose_account(std::nullopt).has_value());
    ::setenv("SUDO_UID", "65534", 1);
    EXPECT_EQ(choose_account(std::nullopt)->name, "nobody");
    ::setenv("SUDO_UID", "0", 1);
    EXPECT_FALSE(choose_account(std::nullopt).has_value());
    ::unsetenv("SUDO_UID");
}

TEST(DetachNotes, wait_for_the_daemon) {
    const Folder folder;
    EXPECT_TRUE(read_detach_notes(folder.path)->empty());
    ASSERT_TRUE(note_detach(folder.path, "the daemon \"hangs\"\nreally").has_value());
    ASSERT_TRUE(note_detach(folder.path, "again").has_value());
    std::ofstream(folder.path / "detached.jsonl", std::ios::app) << "half a li";
    const auto notes = read_detach_notes(folder.path);
    ASSERT_EQ(notes->size(), 3U);
    const auto first = nlohmann::json::parse(notes->front());
    EXPECT_EQ(first["reason"], "the daemon \"hangs\"\nreally");
    EXPECT_EQ(first["uid"], ::getuid());
    EXPECT_EQ(nlohmann::json::parse(notes->back())["broken"], "half a li");
    ASSERT_TRUE(forget_detach_notes(folder.path).has_value());
    ASSERT_TRUE(forget_detach_notes(folder.path).has_value());
    EXPECT_TRUE(read_detach_notes(folder.path)->empty());
}

}  // namespace
}  // namespace assent::kernel
