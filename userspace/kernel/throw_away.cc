#include "kernel/throw_away.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "kernel/cgroup.h"
#include "kernel/identity.h"
#include "kernel/redirect.h"

namespace assent::kernel {

Result<> enter_cgroup(const std::filesystem::path& folder) {
    const Fd members(::open((folder / "cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!members.is_open() || ::write(members.get(), "0", 1) != 1)
        return fail_errno(fmt::format("entering {}", folder.string()), errno);
    return {};
}

Result<std::unique_ptr<ThrowAway>> ThrowAway::make() {
    const auto root = cgroup_root();
    if (!root) return std::unexpected(root.error());
    const auto own = cgroup_path_of_process(::getpid());
    if (!own) return std::unexpected(own.error());
    std::unique_ptr<ThrowAway> out(
        new ThrowAway(*root / fmt::format("assent-doctor-{}", ::getpid()), cgroup_folder(*root, *own)));
    for (const auto& folder : {out->top_, out->daemon(), out->governed()})
        if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST)
            return fail_errno(fmt::format("making {}", folder.string()), errno);
    if (auto entered = enter_cgroup(out->daemon()); !entered) return std::unexpected(entered.error());
    return out;
}

ThrowAway::~ThrowAway() {
    static_cast<void>(enter_cgroup(home_));
    ::rmdir(daemon().c_str());
    ::rmdir(governed().c_str());
    ::rmdir(top_.c_str());
}

Result<std::vector<Fd>> attach(const std::vector<Program>& programs, const std::filesystem::path& cgroup) {
    std::vector<Fd> links;
    const Fd folder(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.is_open()) return fail_errno(cgroup.string(), errno);
    for (const auto& program : programs) {
        Fd link(
            bpf_link_create(program.descriptor, folder.get(), static_cast<bpf_attach_type>(program.attach_type), nullptr));
        if (!link.is_open()) return fail_errno(fmt::format("attaching {} to a cgroup", program.name), errno);
        links.push_back(std::move(link));
    }
    return links;
}

}  // namespace assent::kernel
