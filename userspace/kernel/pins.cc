#include "kernel/pins.h"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "abi.h"
#include "kernel/redirect.h"

namespace assent::kernel {
namespace {

bool is_bpffs(const std::filesystem::path& folder) {
    struct statfs status {};
    return ::statfs(folder.c_str(), &status) == 0 && static_cast<unsigned long>(status.f_type) == BPF_FS_MAGIC;
}

Result<> make_folder(const std::filesystem::path& folder) {
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
        return fail_errno(fmt::format("making {}", folder.string()), errno);
    return {};
}

std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> out;
    std::error_code error;
    for (auto it = std::filesystem::directory_iterator(folder, error); !error && it != std::filesystem::directory_iterator();
         it.increment(error))
        out.push_back(it->path());
    return out;
}

// Detaches at once, even if a process still holds the link.
void drop_link(const std::filesystem::path& pin) {
    const Fd link(bpf_obj_get(pin.c_str()));
    if (link.is_open()) bpf_link_detach(link.get());
    ::unlink(pin.c_str());
}

}  // namespace

std::filesystem::path Pins::governed(std::uint64_t cgroup_id) const { return governed() / fmt::format("{:x}", cgroup_id); }

Result<bool> prepare_bpffs(const std::filesystem::path& bpffs) {
    bool was_mounted = false;
    if (!is_bpffs(bpffs)) {
        std::error_code ignored;
        std::filesystem::create_directories(bpffs, ignored);
        if (::mount("bpf", bpffs.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") != 0)
            return fail_errno(fmt::format("mounting a BPF file system at {} (is this root?)", bpffs.string()), errno);
        was_mounted = true;
    }
    const Pins pins(bpffs);
    for (const auto& folder : {pins.folder, pins.folder / "maps", pins.daemon(), pins.guard(), pins.governed()})
        if (auto made = make_folder(folder); !made) return std::unexpected(made.error());
    return was_mounted;
}

std::vector<std::uint16_t> pinned_ports(const std::filesystem::path& bpffs) {
    const Fd map(bpf_obj_get(Pins(bpffs).map("config").c_str()));
    bpf_map_info info{};
    __u32 size = sizeof(info);
    if (!map.is_open() || bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0 || info.value_size != sizeof(assent_config))
        return {};
    assent_config settings{};
    const __u32 zero = 0;
    if (bpf_map_lookup_elem(map.get(), &zero, &settings) != 0 || settings.abi_version != ASSENT_ABI_VERSION) return {};
    if (settings.port_count > ASSENT_PORTS_MAXIMUM) return {};
    return {settings.ports, settings.ports + settings.port_count};
}

std::vector<std::uint64_t> pinned_cgroups(const Pins& pins) {
    std::vector<std::uint64_t> out;
    for (const auto& entry : entries_of(pins.governed())) {
        const auto name = entry.filename().string();
        std::uint64_t id = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id, 16);
        if (error == std::errc() && end == name.data() + name.size()) out.push_back(id);
    }
    return out;
}

std::uint64_t linked_cgroup(const std::filesystem::path& pin) {
    const Fd link(bpf_obj_get(pin.c_str()));
    bpf_link_info info{};
    __u32 size = sizeof(info);
    if (!link.is_open() || bpf_obj_get_info_by_fd(link.get(), &info, &size) != 0) return 0;
    return info.cgroup.cgroup_id;
}

Result<bool> attach_pinned(const std::filesystem::path& pin, int program, int attach_type, int cgroup,
                           std::uint64_t cgroup_id) {
    const auto what = fmt::format("attaching {}", pin.filename().string());
    {
        const Fd link(bpf_obj_get(pin.c_str()));
        if (link.is_open() && linked_cgroup(pin) == cgroup_id) {
            if (bpf_link_update(link.get(), program, nullptr) != 0) return fail_errno(what, errno);
            return false;
        }
    }
    const Fd link(bpf_link_create(program, cgroup, static_cast<bpf_attach_type>(attach_type), nullptr));
    if (!link.is_open()) return fail_errno(what, errno);
    ::unlink(pin.c_str());
    if (bpf_obj_pin(link.get(), pin.c_str()) != 0) return fail_errno(fmt::format("pinning {}", pin.string()), errno);
    return true;
}

void drop_other_links(const std::filesystem::path& folder, const std::vector<std::string>& names) {
    for (const auto& pin : entries_of(folder))
        if (std::ranges::find(names, pin.filename().string()) == names.end()) drop_link(pin);
}

void drop_links(const std::filesystem::path& folder) {
    for (const auto& pin : entries_of(folder)) drop_link(pin);
    ::rmdir(folder.c_str());
}

Result<std::vector<std::string>> detach_all(const std::filesystem::path& bpffs) {
    const Pins pins(bpffs);
    std::vector<std::string> removed;
    for (const auto& folder : entries_of(pins.governed())) {
        for (const auto& pin : entries_of(folder))
            removed.push_back(fmt::format("{} of cgroup {}", pin.filename().string(), folder.filename().string()));
        drop_links(folder);
    }
    // Before anything else: no cgroup may be held back that nobody will govern.
    for (const auto& pin : entries_of(pins.gate()))
        removed.push_back(fmt::format("{} of the gate", pin.filename().string()));
    drop_links(pins.gate());
    for (const auto& pin : entries_of(pins.guard()))
        removed.push_back(fmt::format("{} of the security module", pin.filename().string()));
    drop_links(pins.guard());
    for (const auto& pin : entries_of(pins.daemon()))
        removed.push_back(fmt::format("{} of the daemon", pin.filename().string()));
    drop_links(pins.daemon());
    for (const auto& pin : entries_of(pins.folder / "maps")) {
        removed.push_back(fmt::format("map {}", pin.filename().string()));
        ::unlink(pin.c_str());
    }
    std::error_code error;
    std::filesystem::remove_all(pins.folder, error);
    if (error) return fail_errno(fmt::format("removing {}", pins.folder.string()), error.value());
    return removed;
}

}  // namespace assent::kernel
