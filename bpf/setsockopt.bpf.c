// setsockopt(): a socket that joins a multicast or anycast group makes the kernel tell the network which, and from which
// sources: packets that belong to no socket, with bytes of the agent's choice in them. UDP is refused, so nobody needs it.
#include "common.h"

#define SOL_IP 0
#define SOL_IPV6 41
#define IP_UNBLOCK_SOURCE 37
#define IP_BLOCK_SOURCE 38
#define IP_ADD_MEMBERSHIP 35
#define IP_ADD_SOURCE_MEMBERSHIP 39
#define IP_MSFILTER 41
#define IPV6_ADD_MEMBERSHIP 20
#define IPV6_JOIN_ANYCAST 27
// MCAST_JOIN_GROUP to MCAST_MSFILTER, the same at both levels.
#define MCAST_FIRST 42
#define MCAST_LAST 48

static __always_inline bool is_announced(__s32 level, __s32 option) {
    if (level != SOL_IP && level != SOL_IPV6) return false;
    if (option >= MCAST_FIRST && option <= MCAST_LAST) return true;
    if (level == SOL_IPV6) return option == IPV6_ADD_MEMBERSHIP || option == IPV6_JOIN_ANYCAST;
    return option == IP_ADD_MEMBERSHIP || option == IP_ADD_SOURCE_MEMBERSHIP || option == IP_BLOCK_SOURCE ||
           option == IP_UNBLOCK_SOURCE || option == IP_MSFILTER;
}

SEC("cgroup/setsockopt")
int assent_setsockopt(struct bpf_sockopt* ctx) {
    if (is_announced(ctx->level, ctx->optname)) {
        const struct assent_address none = {};
        const struct bpf_sock* socket = ctx->sk;
        const __u32 family = socket ? socket->family : 0;
        tell_current(ASSENT_REFUSED_OPTION, family, 0, (__u32)ctx->optname, &none, 0);
        return REFUSE;
    }
    // The kernel takes the value as the process gave it, of whatever size.
    ctx->optlen = 0;
    return PASS;
}
