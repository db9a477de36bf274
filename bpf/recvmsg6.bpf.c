// Whom recvfrom() and recvmsg() of an IPv6 socket name as the sender of a datagram: the resolver that was asked, which may
// have a v4-mapped address.
#include "dns.h"

SEC("cgroup/recvmsg6")
int assent_recvmsg6(struct bpf_sock_addr* ctx) {
    const struct assent_address* resolver = resolver_behind(ctx->sk, bpf_ntohs((__u16)ctx->user_port));
    if (!resolver) return PASS;
    ctx->user_ip6[0] = resolver->words[0];
    barrier();
    ctx->user_ip6[1] = resolver->words[1];
    barrier();
    ctx->user_ip6[2] = resolver->words[2];
    barrier();
    ctx->user_ip6[3] = resolver->words[3];
    barrier();
    ctx->user_port = bpf_htons(ASSENT_DNS_PORT);
    return PASS;
}
