#include "kernel/guard.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include <assent_lsm.skel.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

namespace assent::kernel {
namespace {

constexpr std::string_view program_prefix = "assent_lsm_";
// Without this one nothing else is worth having, and every kernel with BPF LSM has it.
constexpr std::string_view first_program = "assent_lsm_socket_create";

constexpr ino_t host_cgroup_namespace = 0xEFFFFFFB;  // the kernel's number of it

constexpr const char* what_is_open =
    "agents are not held where cgroups have no hooks (packet and VSOCK sockets, sockets handed in from outside, other "
    "processes)";

std::string short_name(std::string_view name) { return std::string(name.substr(program_prefix.size())); }

}  // namespace

void Guard::Close::operator()(assent_lsm* skeleton) const { assent_lsm__destroy(skeleton); }

// 0, or the error of libbpf. `only`: one program of them all; empty: all but the missing ones.
int Guard::load(const Programs& programs, std::string_view only) {
    skeleton_.reset(assent_lsm__open());
    if (!skeleton_) return -errno;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton_->obj) {
        const int shared = bpf_map__is_internal(map) ? -1 : programs.map(bpf_map__name(map));
        if (shared >= 0 && bpf_map__reuse_fd(map, shared) != 0) return -errno;
    }
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton_->obj) {
        const std::string_view name = bpf_program__name(program);
        const bool is_wanted = only.empty() ? std::ranges::find(missing_, name) == missing_.end() : name == only;
        bpf_program__set_autoload(program, is_wanted);
    }
    return assent_lsm__load(skeleton_.get());
}

// One by one, after all together were refused.
void Guard::find_missing(const Programs& programs) {
    std::vector<std::string> names;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton_->obj) names.emplace_back(bpf_program__name(program));
    for (const auto& name : names)
        if (load(programs, name) != 0) missing_.push_back(name);
}

Result<> Guard::attach() {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton_->obj) {
        if (!bpf_program__autoload(program)) continue;
        const auto name = short_name(bpf_program__name(program));
        bpf_link* link = bpf_program__attach_lsm(program);
        if (link == nullptr) return fail_errno(fmt::format("attaching {}", name), errno);
        links_.push_back({name, Fd(::fcntl(bpf_link__fd(link), F_DUPFD_CLOEXEC, 0))});
        bpf_link__destroy(link);  // the duplicate keeps it
        names_.push_back(name);
    }
    return {};
}

Result<assent_guard> Guard::read() const {
    assent_guard settings{};
    const std::uint32_t zero = 0;
    if (bpf_map_lookup_elem(settings_map_, &zero, &settings) != 0) return fail_errno("reading the map guard", errno);
    return settings;
}

Result<> Guard::write(const assent_guard& settings) const {
    const std::uint32_t zero = 0;
    if (bpf_map_update_elem(settings_map_, &zero, &settings, BPF_ANY) != 0)
        return fail_errno("writing the map guard", errno);
    return {};
}

// A kernel that was not told to use BPF LSM takes the programs and never calls them.
bool Guard::is_called() const {
    const auto before = read();
    const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto after = read();
    return before && after && after->trial_count != before->trial_count;
}

Result<> Guard::pin(const Pins& pins) {
    for (auto& link : links_) {
        const auto place = pins.guard() / link.name;
        const auto next = pins.guard() / (link.name + "-new");
        ::unlink(next.c_str());
        // These links cannot be updated: the new one is there before the old one goes, by the rename.
        if (bpf_obj_pin(link.descriptor.get(), next.c_str()) != 0 || ::rename(next.c_str(), place.c_str()) != 0)
            return fail_errno(fmt::format("pinning {}", place.string()), errno);
    }
    links_.clear();
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(pins.guard(), ignored))
        if (std::ranges::find(names_, entry.path().filename().string()) == names_.end()) ::unlink(entry.path().c_str());
    return {};
}

Result<Guard> Guard::open(const Pins* pins, const Programs& programs, std::uint64_t daemon_cgroup,
                          const std::vector<GuardedCgroup>& governed) {
    Guard out;
    out.settings_map_ = programs.map("guard");
    out.governed_map_ = programs.map("governed_cgroups");
    auto settings = out.read();
    if (!settings) return std::unexpected(settings.error());
    settings->daemon_cgroup = daemon_cgroup;
    struct stat status {};
    static constexpr std::array namespaces = {"/proc/1/ns/mnt", "/proc/self/ns/mnt"};
    for (std::size_t at = 0; at < namespaces.size(); ++at)
        settings->mount_namespaces[at] =
            ::stat(namespaces[at], &status) == 0 ? static_cast<std::uint32_t>(status.st_ino) : 0;
    if (auto written = out.write(*settings); !written) return std::unexpected(written.error());
    for (const auto& cgroup : governed)
        if (auto held = out.govern(cgroup.id, cgroup.depth); !held) return std::unexpected(held.error());

    int error = out.load(programs, {});
    if (error != 0 && out.load(programs, first_program) == 0) {
        out.find_missing(programs);
        error = out.load(programs, {});
    }
    if (error != 0) {
        out.lacks_.push_back(
            fmt::format("this kernel does not take BPF LSM programs ({}): {}", std::strerror(-error), what_is_open));
        return out;
    }
    for (const auto& name : out.missing())
        out.lacks_.push_back(fmt::format("this kernel's BPF LSM has no {}: that way is open to agents", name));
    const auto attached = out.attach();
    if (!attached || !out.is_called()) {
        out.lacks_.push_back(fmt::format("BPF LSM is not in use ({}): {}; boot with 'bpf' added to the list of lsm=",
                                         attached ? "its programs are not called" : attached.error().message, what_is_open));
        out.links_.clear();
        out.names_.clear();
        return out;
    }
    out.is_active_ = true;
    if (pins != nullptr)
        if (auto pinned = out.pin(*pins); !pinned) return std::unexpected(pinned.error());
    return out;
}

std::vector<std::string> Guard::missing() const {
    std::vector<std::string> out;
    for (const auto& name : missing_) out.push_back(short_name(name));
    return out;
}

Result<> Guard::govern(std::uint64_t cgroup_id, std::size_t depth) {
    if (depth == 0 || depth >= ASSENT_CGROUP_DEPTH)
        return fail(Errc::limit,
                    fmt::format("a cgroup {} folders deep cannot be governed: {} at most", depth, ASSENT_CGROUP_DEPTH - 1));
    const std::uint32_t present = 1;
    if (bpf_map_update_elem(governed_map_, &cgroup_id, &present, BPF_ANY) != 0)
        return fail_errno("writing the map governed_cgroups", errno);
    auto settings = read();
    if (!settings) return std::unexpected(settings.error());
    // In a cgroup namespace the mount is not the root, and the depth seen here not the kernel's.
    struct stat status {};
    const bool is_whole = ::stat("/proc/self/ns/cgroup", &status) == 0 && status.st_ino == host_cgroup_namespace;
    settings->governed_levels |= is_whole ? 1U << depth : ~0U;
    return write(*settings);
}

void Guard::forget(std::uint64_t cgroup_id) { bpf_map_delete_elem(governed_map_, &cgroup_id); }

Result<> Guard::close_unix(bool is_closed) const {
    auto settings = read();
    if (!settings) return std::unexpected(settings.error());
    settings->is_unix_closed = is_closed ? 1 : 0;
    return write(*settings);
}

Result<bool> Guard::repair(const Pins& pins, const Programs& programs) {
    const auto is_pinned = [&](const std::string& name) { return ::access((pins.guard() / name).c_str(), F_OK) == 0; };
    if (std::ranges::all_of(names_, is_pinned)) return false;
    // Kept until all is well, so that the next call tries again.
    const auto wanted = std::exchange(names_, {});
    links_.clear();
    // A program that was attached once cannot be again.
    const int error = load(programs, {});
    Result<> done = error == 0 ? attach() : fail_errno("loading the programs of the security module", -error);
    if (done) done = pin(pins);
    if (done) return true;
    names_ = wanted;
    return std::unexpected(done.error());
}

}  // namespace assent::kernel
