#include "kernel/gate.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>

#include <assent_gate_programs.skel.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "kernel/cgroup.h"
#include "kernel/glob_machine.h"
#include "kernel/redirect.h"

namespace assent::kernel {
namespace {

constexpr std::string_view gate_program_prefix = "assent_gate_";
struct UnixProgram {
    const char* name;
    int attach_type;
};
constexpr std::array unix_programs = {
    UnixProgram{"assent_gate_connect_unix", 49},
    UnixProgram{"assent_gate_sendmsg_unix", 50},
};

// The parts of "/docker/*", the last one first.
std::vector<std::string> parts_of(std::string_view path) {
    std::vector<std::string> out;
    while (!path.empty()) {
        path.remove_prefix(1);
        const auto part = path.substr(0, path.find('/'));
        out.insert(out.begin(), std::string(part));
        path.remove_prefix(part.size());
    }
    return out;
}

// The patterns as the programs read them.
class Table {
public:
    [[nodiscard]] Result<> add(const GatePatterns& patterns) {
        if (auto bit = add_glob("*.slice"); bit) settings.slices = *bit;  // the first one, as the programs know
        for (const auto& unit : patterns.units) {
            const auto bit = add_glob(unit);
            if (!bit) return std::unexpected(bit.error());
            settings.units |= *bit;
        }
        for (const auto& path : patterns.paths) {
            std::uint64_t last = 0;
            for (const auto& part : parts_of(path)) {
                const auto bit = add_glob(part);
                if (!bit) return std::unexpected(bit.error());
                if (last == 0) settings.path_first |= *bit;
                last = *bit;
            }
            settings.path_last |= last;
        }
        settings.glob_count = static_cast<std::uint32_t>(globs.size());
        return {};
    }

    assent_gate settings{};
    std::vector<assent_glob> globs;

private:
    [[nodiscard]] Result<std::uint64_t> add_glob(const std::string& pattern) {
        const auto glob = compile_glob(pattern);
        if (!glob) return fail(Errc::limit, fmt::format("the pattern '{}' is too long for the gate", pattern));
        if (globs.size() == ASSENT_GLOBS)
            return fail(Errc::limit, fmt::format("the gate takes {} parts of patterns at most", ASSENT_GLOBS));
        globs.push_back(*glob);
        return std::uint64_t{1} << (globs.size() - 1);
    }
};

}  // namespace

void Gate::Close::operator()(assent_gate_programs* skeleton) const { assent_gate_programs__destroy(skeleton); }

// 0, or the error of libbpf.
int Gate::load(const Programs& programs, bool has_unix) {
    skeleton_.reset(assent_gate_programs__open());
    if (!skeleton_) return -errno;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton_->obj) {
        const int shared = bpf_map__is_internal(map) ? -1 : programs.map(bpf_map__name(map));
        if (shared >= 0 && bpf_map__reuse_fd(map, shared) != 0) return -errno;
    }
    for (const auto& [name, attach_type] : unix_programs) {
        bpf_program* program = bpf_object__find_program_by_name(skeleton_->obj, name);
        bpf_program__set_type(program, BPF_PROG_TYPE_CGROUP_SOCK_ADDR);
        bpf_program__set_expected_attach_type(program, static_cast<bpf_attach_type>(attach_type));
        bpf_program__set_autoload(program, has_unix);
    }
    return assent_gate_programs__load(skeleton_.get());
}

Gate Gate::open(const Programs& programs, bool is_wanted) {
    Gate out;
    out.gate_map_ = programs.map("gate");
    out.globs_map_ = programs.map("gate_globs");
    out.attached_map_ = programs.map("attached_cgroups");
    if (!is_wanted) return out;
    int error = out.load(programs, true);
    if (error != 0 && !programs.has("assent_connect_unix")) error = out.load(programs, false);
    if (error != 0) {
        out.lacks_.push_back(
            fmt::format("this kernel does not take the programs that hold new cgroups back ({}): a unit, container or slice "
                        "that appears is governed some milliseconds later; let it wait for `assent govern`",
                        std::strerror(-error)));
        return out;
    }
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, out.skeleton_->obj) {
        if (!bpf_program__autoload(program)) continue;
        const std::string_view name = bpf_program__name(program);
        out.loaded_.push_back({std::string(name.substr(gate_program_prefix.size())), bpf_program__fd(program),
                               static_cast<int>(bpf_program__expected_attach_type(program))});
    }
    return out;
}

Result<> Gate::attach(const Pins& pins, const std::filesystem::path& top) {
    if (loaded_.empty()) return {};
    const auto id = cgroup_id_of(top);
    if (!id) return std::unexpected(id.error());
    top_ = top;
    top_id_ = *id;
    const Fd folder(::open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.is_open()) return fail_errno(fmt::format("cgroup {}", top.string()), errno);
    if (::mkdir(pins.gate().c_str(), 0700) != 0 && errno != EEXIST)
        return fail_errno(fmt::format("making {}", pins.gate().string()), errno);
    for (const auto& program : loaded_) {
        const auto done =
            attach_pinned(pins.gate() / program.name, program.descriptor, program.attach_type, folder.get(), top_id_);
        if (!done) return std::unexpected(done.error());
    }
    return {};
}

Result<> Gate::refuse(const GatePatterns& patterns) {
    if (loaded_.empty() || top_id_ == 0) return {};
    Table table;
    if (auto added = table.add(patterns); !added) return added;
    assent_gate settings{};
    const std::uint32_t zero = 0;
    if (bpf_map_lookup_elem(gate_map_, &zero, &settings) != 0) return fail_errno("reading the map gate", errno);
    // Who was found to fit none is judged anew, by the globs of both until all are written.
    for (std::uint32_t at = 0; at < table.globs.size(); ++at)
        if (bpf_map_update_elem(globs_map_, &at, &table.globs[at], BPF_ANY) != 0)
            return fail_errno("writing the map gate_globs", errno);
    table.settings.top = top_id_;
    table.settings.generation = settings.generation + 1;
    if (bpf_map_update_elem(gate_map_, &zero, &table.settings, BPF_ANY) != 0)
        return fail_errno("writing the map gate", errno);
    return {};
}

Result<bool> Gate::repair(const Pins& pins) {
    if (loaded_.empty() || top_id_ == 0) return false;
    const bool is_whole = std::ranges::all_of(
        loaded_, [&](const Program& program) { return linked_cgroup(pins.gate() / program.name) == top_id_; });
    if (is_whole) return false;
    if (auto done = attach(pins, top_); !done) return std::unexpected(done.error());
    return true;
}

void Gate::pass(std::uint64_t cgroup_id) const {
    const std::uint32_t present = ASSENT_ATTACHED;
    static_cast<void>(bpf_map_update_elem(attached_map_, &cgroup_id, &present, BPF_ANY));
}

void Gate::forget(std::uint64_t cgroup_id) const { static_cast<void>(bpf_map_delete_elem(attached_map_, &cgroup_id)); }

Result<> spare_daemon(const std::filesystem::path& bpffs, const std::filesystem::path& daemon_cgroup) {
    const Fd map(bpf_obj_get(Pins(bpffs).map("attached_cgroups").c_str()));
    if (!map.is_open()) return {};
    const auto root = cgroup_root();
    if (!root) return std::unexpected(root.error());
    // Those of earlier daemons, whose cgroups may have gone.
    std::vector<std::uint64_t> old;
    std::uint64_t key = 0;
    std::uint32_t value = 0;
    const std::uint64_t* previous = nullptr;
    for (std::uint64_t last = 0; bpf_map_get_next_key(map.get(), previous, &key) == 0; last = key, previous = &last)
        if (bpf_map_lookup_elem(map.get(), &key, &value) == 0 && value == ASSENT_SPARED) old.push_back(key);
    for (const auto id : old) bpf_map_delete_elem(map.get(), &id);
    value = ASSENT_SPARED;
    for (auto folder = daemon_cgroup; folder != *root && folder.has_relative_path(); folder = folder.parent_path()) {
        const auto id = cgroup_id_of(folder);
        if (!id) return std::unexpected(id.error());
        if (bpf_map_update_elem(map.get(), &*id, &value, BPF_ANY) != 0)
            return fail_errno("writing the map attached_cgroups", errno);
    }
    return {};
}

void drop_gate(const Pins& pins) { drop_links(pins.gate()); }

}  // namespace assent::kernel
