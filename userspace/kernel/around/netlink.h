// Interfaces, addresses and routes, by the kernel's own protocol: this must work where no `ip` is installed. Each gives 0 or
// an errno. Private to around/.
#ifndef ASSENT_AROUND_NETLINK_H
#define ASSENT_AROUND_NETLINK_H

#include <stdbool.h>

// A pair of interfaces, the other end in the network namespace of that descriptor.
int link_add_pair(const char* near, const unsigned char* near_mac, const char* far, const unsigned char* far_mac,
                  int far_namespace);
int link_raise(const char* name);
int address_change(const char* interface, const char* address, int prefix, bool is_added);
// A route to address/prefix by an interface.
int route_add(const char* interface, const char* address, int prefix);
// Everything that leaves `from` leaves by `to` instead.
int leave_by(const char* from, const char* to);

#endif
