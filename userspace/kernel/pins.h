// What is pinned, and where: bpffs/assent/maps/NAME, bpffs/assent/daemon/PROGRAM, bpffs/assent/governed/CGROUP/PROGRAM,
// bpffs/assent/lsm/PROGRAM, bpffs/assent/gate/PROGRAM.
// Pinned links and maps outlive the daemon, so that agents are refused while it is dead. Private to kernel/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace assent::kernel {

struct Pins {
    std::filesystem::path folder;  // bpffs/assent

    explicit Pins(const std::filesystem::path& bpffs) : folder(bpffs / "assent") {}
    [[nodiscard]] std::filesystem::path map(std::string_view name) const { return folder / "maps" / name; }
    [[nodiscard]] std::filesystem::path daemon() const { return folder / "daemon"; }
    [[nodiscard]] std::filesystem::path guard() const { return folder / "lsm"; }
    [[nodiscard]] std::filesystem::path gate() const { return folder / "gate"; }
    [[nodiscard]] std::filesystem::path governed() const { return folder / "governed"; }
    [[nodiscard]] std::filesystem::path governed(std::uint64_t cgroup_id) const;
};

// Mounts a BPF file system at `bpffs` if none is there, and makes the folders, closed to everybody but root. True: it was
// mounted now.
[[nodiscard]] Result<bool> prepare_bpffs(const std::filesystem::path& bpffs);

// The ports in the pinned configuration; empty when there is none.
[[nodiscard]] std::vector<std::uint16_t> pinned_ports(const std::filesystem::path& bpffs);

// The numbers of cgroups that have a folder of pinned links.
[[nodiscard]] std::vector<std::uint64_t> pinned_cgroups(const Pins& pins);

// Attaches `program` to the cgroup through the link pinned at `pin`: an existing link is updated without a gap; one that is
// missing, or whose cgroup is gone, is made new. `attach_type` as bpf_program__expected_attach_type says. Nothing keeps the
// link but its pin. True: the cgroup was without it until now.
[[nodiscard]] Result<bool> attach_pinned(const std::filesystem::path& pin, int program, int attach_type, int cgroup,
                                         std::uint64_t cgroup_id);

// The cgroup that a pinned link is attached to; 0: gone, or there is no such link.
[[nodiscard]] std::uint64_t linked_cgroup(const std::filesystem::path& pin);

// Detaches and unpins the links of a folder that have none of these names: a daemon with other programs had them.
void drop_other_links(const std::filesystem::path& folder, const std::vector<std::string>& names);

// Detaches and unpins every link of a folder, and removes it.
void drop_links(const std::filesystem::path& folder);

}  // namespace assent::kernel
