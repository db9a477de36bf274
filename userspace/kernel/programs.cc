#include "kernel/programs.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include <assent_programs.skel.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "kernel/network_namespace.h"

namespace assent::kernel {
namespace {

constexpr std::string_view program_prefix = "assent_";
constexpr std::string_view accept_program = "assent_sockops_accept";
// Groups that a kernel may lack, newest first: each is left out only when the rest does not load with it. Without the first
// unix sockets are not governed; without the second agents see 127.0.0.1 as their peer, and everything else holds.
const std::vector<std::vector<const char*>> optional_programs = {
    {"assent_connect_unix", "assent_sendmsg_unix"},
    {"assent_getpeername4", "assent_getpeername6"},
};

// Attach types that the library does not know yet, from the kernel's <linux/bpf.h>.
struct NewType {
    const char* program;
    int attach_type;
};
constexpr std::array new_types = {
    NewType{"assent_connect_unix", 49},
    NewType{"assent_sendmsg_unix", 50},
};

// The library's last complaint: its errno alone seldom says what was wrong.
thread_local std::string last_complaint;  // NOLINT: the library's callback has no context

int keep_complaint(libbpf_print_level level, const char* format, va_list arguments) {
    if (level != LIBBPF_WARN) return 0;
    std::array<char, 512> line{};
    const int size = std::vsnprintf(line.data(), line.size(), format, arguments);
    // Only the first one: later ones say that this failed.
    if (last_complaint.empty() && size > 0) {
        last_complaint.assign(line.data());
        last_complaint.erase(std::min(last_complaint.find('\n'), last_complaint.size()));
    }
    return 0;
}

bool has_layout(const Fd& pinned, const bpf_map* wanted) {
    bpf_map_info info{};
    __u32 size = sizeof(info);
    return pinned.is_open() && bpf_obj_get_info_by_fd(pinned.get(), &info, &size) == 0 &&
           info.type == bpf_map__type(wanted) && info.key_size == bpf_map__key_size(wanted) &&
           info.value_size == bpf_map__value_size(wanted) && info.max_entries == bpf_map__max_entries(wanted);
}

// Of the pinned configuration, whatever its size; zero when there is none.
struct Versions {
    __u32 abi = 0;
    __u32 state = 0;
};
Versions versions_of(const Fd& config) {
    bpf_map_info info{};
    __u32 size = sizeof(info);
    Versions out;
    if (!config.is_open() || bpf_obj_get_info_by_fd(config.get(), &info, &size) != 0) return {};
    if (info.type != BPF_MAP_TYPE_ARRAY || info.value_size < sizeof(out)) return {};
    std::vector<std::byte> settings(info.value_size);
    const __u32 zero = 0;
    if (bpf_map_lookup_elem(config.get(), &zero, settings.data()) != 0) return {};
    std::memcpy(&out, settings.data(), sizeof(out));
    return out;
}

// Libbpf's own maps (constants) are not shared between loads.
bool is_shared(const bpf_map* map) { return !bpf_map__is_internal(map); }

bool is_configuration(const bpf_map* map) { return bpf_map__name(map) == std::string_view("config"); }

// Those of the pinned maps that these programs go on with: all, all but the configuration, or none.
std::vector<bpf_map*> reusable(const Pins& pins, bpf_object* object) {
    const auto versions = versions_of(Fd(bpf_obj_get(pins.map("config").c_str())));
    if (versions.state != ASSENT_STATE_VERSION) return {};
    std::vector<bpf_map*> out;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        if (!is_shared(map)) continue;
        const bool is_same = has_layout(Fd(bpf_obj_get(pins.map(bpf_map__name(map)).c_str())), map);
        if (is_same && (!is_configuration(map) || versions.abi == ASSENT_ABI_VERSION))
            out.push_back(map);
        else if (!is_configuration(map))
            return {};
    }
    return out;
}

Result<> reuse(const Pins& pins, const std::vector<bpf_map*>& maps) {
    for (bpf_map* map : maps) {
        const Fd pinned(bpf_obj_get(pins.map(bpf_map__name(map)).c_str()));
        if (!pinned.is_open() || bpf_map__reuse_fd(map, pinned.get()) != 0)
            return fail_errno(fmt::format("taking over map {}", bpf_map__name(map)), errno);
    }
    return {};
}

std::unexpected<Error> refused(int error) {
    return fail(Errc::unsupported, fmt::format("the kernel refuses the BPF programs: {}{}{}", std::strerror(error),
                                               last_complaint.empty() ? "" : ": ", last_complaint));
}

}  // namespace

Result<assent_config> make_configuration(const std::vector<std::uint16_t>& ports) {
    assent_config out{};
    if (ports.empty() || ports.size() > ASSENT_PORTS_MAXIMUM)
        return fail(Errc::invalid, fmt::format("the proxy takes 1 to {} ports", ASSENT_PORTS_MAXIMUM));
    out.abi_version = ASSENT_ABI_VERSION;
    out.state_version = ASSENT_STATE_VERSION;
    for (const auto port : ports) {
        if (port == 0 || port >= ASSENT_PORT_LIMIT)
            return fail(Errc::invalid,
                        fmt::format("proxy port {} is not below {}: others could take it", port, ASSENT_PORT_LIMIT));
        out.ports[out.port_count++] = port;
        out.port_bits[port / 64] |= std::uint64_t{1} << (port % 64U);
    }
    const auto cookie = own_network_cookie();
    if (!cookie) return std::unexpected(cookie.error());
    out.host_netns_cookie = *cookie;
    return out;
}

void Programs::Close::operator()(assent_programs* skeleton) const { assent_programs__destroy(skeleton); }

Result<Programs> Programs::load(const Pins* pins) {
    libbpf_set_print(keep_complaint);
    Programs out;
    for (std::size_t left_out = 0; left_out <= optional_programs.size(); ++left_out) {
        last_complaint.clear();
        out.skeleton_.reset(assent_programs__open());
        if (!out.skeleton_) return refused(errno);
        bpf_object* object = out.skeleton_->obj;
        for (const auto& [name, attach_type] : new_types) {
            bpf_program* program = bpf_object__find_program_by_name(object, name);
            bpf_program__set_type(program, BPF_PROG_TYPE_CGROUP_SOCK_ADDR);
            bpf_program__set_expected_attach_type(program, static_cast<bpf_attach_type>(attach_type));
        }
        out.missing_.clear();
        for (std::size_t group = 0; group < left_out; ++group) {
            for (const auto* name : optional_programs[group]) {
                bpf_program__set_autoload(bpf_object__find_program_by_name(object, name), false);
                out.missing_.emplace_back(name);
            }
        }
        const auto kept = pins == nullptr ? std::vector<bpf_map*>() : reusable(*pins, object);
        if (auto reused = reuse(*pins, kept); !reused) return std::unexpected(reused.error());
        out.new_maps_.clear();
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, object) if (is_shared(map) && std::ranges::find(kept, map) == kept.end())
            out.new_maps_.emplace_back(bpf_map__name(map));
        const int error = assent_programs__load(out.skeleton_.get());
        if (error != 0 && left_out < optional_programs.size()) continue;
        if (error != 0) return refused(-error);
        return out;
    }
    return fail(Errc::internal, "loading of BPF programs ended without a result");
}

Program Programs::accept() const {
    const auto* program = bpf_object__find_program_by_name(skeleton_->obj, accept_program.data());
    return {std::string(accept_program.substr(program_prefix.size())), bpf_program__fd(program),
            static_cast<int>(bpf_program__expected_attach_type(program))};
}

std::vector<Program> Programs::governing() const {
    std::vector<Program> out;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton_->obj) {
        const std::string_view name = bpf_program__name(program);
        if (name == accept_program || !bpf_program__autoload(program)) continue;
        out.push_back({std::string(name.substr(program_prefix.size())), bpf_program__fd(program),
                       static_cast<int>(bpf_program__expected_attach_type(program))});
    }
    return out;
}

bool Programs::has(std::string_view program) const { return std::ranges::find(missing_, program) == missing_.end(); }

int Programs::map(std::string_view name) const {
    return bpf_object__find_map_fd_by_name(skeleton_->obj, std::string(name).c_str());
}

Result<> Programs::pin_new_maps(const Pins& pins) const {
    for (const auto& name : new_maps_) {
        const auto place = pins.map(name);
        const auto next = pins.map(name + "-new");
        ::unlink(next.c_str());
        if (bpf_obj_pin(map(name), next.c_str()) != 0 || ::rename(next.c_str(), place.c_str()) != 0)
            return fail_errno(fmt::format("pinning {}", place.string()), errno);
    }
    return {};
}

Result<> Programs::configure(const assent_config& settings) const {
    const __u32 zero = 0;
    if (bpf_map_update_elem(map("config"), &zero, &settings, BPF_ANY) != 0)
        return fail_errno("writing the configuration map", errno);
    return {};
}

}  // namespace assent::kernel
