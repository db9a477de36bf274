// Writes the system call filter of `assent run` as C, for a program that has no library to make it with.
#include <linux/filter.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>

#include "base/fd.h"
#include "kernel/confine.h"

int main() {
    const assent::Fd file(::memfd_create("filter", MFD_CLOEXEC));
    if (const auto written = assent::kernel::export_filter(file.get()); !written) {
        std::fprintf(stderr, "%s\n", written.error().message.c_str());
        return 1;
    }
    sock_filter instruction{};
    for (off_t at = 0; ::pread(file.get(), &instruction, sizeof(instruction), at) == sizeof(instruction);
         at += static_cast<off_t>(sizeof(instruction)))
        std::printf("{%u, %u, %u, %uU},\n", instruction.code, instruction.jt, instruction.jf, instruction.k);
    return 0;
}
