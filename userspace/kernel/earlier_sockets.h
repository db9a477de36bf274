// Sockets that a unit had before it was governed: they are found, and ended or listed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "model/address.h"
#include "model/agent.h"

namespace assent::kernel {

struct EarlierSocket {
    model::Agent holder;   // the cgroup alone when no process has it any more
    std::string protocol;  // tcp, udp, raw, unix, or a number
    std::string state;     // established, connecting, listening, unconnected, closing
    model::Endpoint local;
    model::Endpoint remote;
    bool is_ended = false;
    std::string note;  // why it was left, or what is left of it; empty: nothing to say
};

struct EarlierSockets {
    std::vector<EarlierSocket> sockets;  // at most limits::sockets_told
    std::uint64_t left_out = 0;          // more of them
    std::vector<std::string> lacks;      // what this kernel could not do, in sentences
};

struct EarlierSearch {
    std::filesystem::path cgroup_root;
    std::filesystem::path cgroup;      // below it; its new sockets are governed by now
    std::vector<std::uint16_t> ports;  // of the proxy: what is connected to them has come this way
    bool ends = true;                  // false: listed only
};

// Sockets that were made in the cgroup, or are held by a process in it, but those that an ungoverned process made and holds
// as well: they are that one's. Of those that were ended, the ones that were made outside can never be used again. Unix
// sockets that are connected to a named one are listed. Takes some milliseconds; enters network namespaces in threads of its
// own.
[[nodiscard]] EarlierSockets handle_earlier_sockets(const EarlierSearch& search);

}  // namespace assent::kernel
