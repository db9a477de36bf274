// The daemon's settings, /etc/assent/assent.yaml, decoded strictly.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include "model/verdict.h"
#include "policy/console_settings.h"
#include "policy/dns_settings.h"
#include "policy/identity_settings.h"

namespace assent::policy {

// One mistake in a YAML file. `file` is as the user named it; line and column count from 1, 0 where there is none.
struct Diagnostic {
    std::string file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::string message;  // what is wrong, and the nearest right spelling

    [[nodiscard]] std::string to_text() const;  // "rules.yaml:12:5: unknown key 'operatons'; did you mean 'operations'?"
};

struct Settings {
    std::filesystem::path file;
    std::filesystem::path policies = "/etc/assent/policies";
    std::filesystem::path state = "/var/lib/assent";
    std::filesystem::path run = "/run/assent";
    std::vector<std::string> govern_slices;
    std::vector<std::string> govern_units;    // globs
    std::vector<std::string> govern_cgroups;  // paths from the mount, each part a glob
    std::vector<std::string> decide_users;
    std::vector<std::string> decide_groups;
    std::vector<std::string> view_users;  // who may see holds and records, beside those who decide
    std::vector<std::string> view_groups;
    enum class Unlisted : std::uint8_t { deny = 0, hold, pass } unlisted_targets = Unlisted::deny;
    // Agents that are denied too often do nothing more until somebody resumes them.
    struct Suspend {
        bool is_on = true;
        std::uint32_t denials = 5;
        std::chrono::seconds within{60};
        bool counts_rules = false;  // denials by rules too, not by people only
    } suspend;
    struct Records {
        bool reads_strict = false;
        std::chrono::milliseconds reads{100};  // how long a read's record may wait for the disk
        std::uint64_t max_size_bytes = 50ULL << 30U;
        std::uint64_t reserve_bytes = 1ULL << 30U;  // below this much free space commands are denied
        std::chrono::hours retain{400 * 24};
    } records;
    // What this host may lack; each is refused unless it is accepted here by name.
    struct Kernel {
        bool accepts_no_lsm = false;
        bool accepts_root_agents = false;
        bool accepts_new_privileges = false;
        bool ends_earlier_sockets = true;  // of what comes under governing while it runs; false: they are listed
        bool gates_new_cgroups = true;     // false: they are governed some milliseconds after they have appeared
    } kernel;
    // Extensions of the contract: what a host may need to change.
    struct Unix {
        bool others_pass = false;  // sockets that no target lists
        // Paths that agents may send datagrams to: logging, and telling systemd that they are ready.
        std::vector<std::string> datagrams = {"/dev/log", "/run/systemd/journal/dev-log", "/run/systemd/journal/socket",
                                              "/run/systemd/notify"};
    } unix_sockets;
    DnsSettings dns;
    ConsoleSettings console;
    NotifySettings notify;
    IdentitySettings identity;
    std::vector<std::uint16_t> proxy_ports;       // empty: chosen below ip_unprivileged_port_start
    std::uint32_t threads = 0;                    // 0: one for every two cores
    std::filesystem::path bpffs = "/sys/fs/bpf";  // where links are pinned, in a folder assent/

    [[nodiscard]] static std::expected<Settings, std::vector<Diagnostic>> load(const std::filesystem::path& file);
};

}  // namespace assent::policy
