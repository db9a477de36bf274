// Whom recvfrom() and recvmsg() name as the sender of a datagram over IPv4: the resolver that was asked. The verifier wants
// this program to pass always; what may come at all is the ingress program's to say.
#include "dns.h"

SEC("cgroup/recvmsg4")
int assent_recvmsg4(struct bpf_sock_addr* ctx) {
    const struct assent_address* resolver = resolver_behind(ctx->sk, bpf_ntohs((__u16)ctx->user_port));
    if (!resolver) return PASS;
    ctx->user_ip4 = resolver->words[3];
    barrier();
    ctx->user_port = bpf_htons(ASSENT_DNS_PORT);
    return PASS;
}
