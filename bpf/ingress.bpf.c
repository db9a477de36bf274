// Towards a governed socket only the proxy and resolvers get through, so nobody can connect to an agent. DNS answers are
// copied for the record, if they come to a socket of the host's own network namespace: in another the agent may be the
// resolver.
#include "packet.h"

static __always_inline void copy_answer(struct __sk_buff* skb, const struct packet* packet) {
    const struct assent_config* settings = read_config();
    struct assent_origin* origin = origin_of_packet(skb);
    if (!settings || !origin || origin->netns_cookie != settings->host_netns_cookie) return;
    struct assent_dns_event* out = bpf_ringbuf_reserve(&dns_answers, sizeof(*out), 0);
    if (!out) {
        count_lost(1);
        return;
    }
    out->event.who = origin->who;
    out->event.address = packet->source;
    out->event.kind = ASSENT_DNS_ANSWER;
    out->event.family = packet->family;
    out->event.socket_type = 2;
    out->event.protocol = IPPROTO_UDP;
    out->event.port = packet->source_port;
    out->event.padding = 0;
    __u32 size = skb->len - packet->payload;
    out->event.dns_size = size;
    if (size > ASSENT_DNS_SIZE) size = ASSENT_DNS_SIZE;
    // Up to Linux 6.7 the verifier learns nothing from "is not 0": it has to see a sum with 1.
    __u64 last = (__u64)size - 1;
    forget_range(last);
    if (last >= ASSENT_DNS_SIZE || bpf_skb_load_bytes(skb, packet->payload, out->bytes, (__u32)(last + 1)) != 0) {
        bpf_ringbuf_discard(out, 0);
        return;
    }
    bpf_ringbuf_submit(out, 0);
}

SEC("cgroup_skb/ingress")
int assent_ingress(struct __sk_buff* skb) {
    struct packet packet = {};
    if (read_packet(skb, &packet) && !packet.is_opening &&
        is_permitted(skb, packet.protocol, &packet.source, packet.source_port)) {
        if (packet.protocol == IPPROTO_UDP) copy_answer(skb, &packet);
        return PASS;
    }
    tell_packet(skb, packet.is_opening ? ASSENT_REFUSED_LISTEN : ASSENT_DROPPED_PACKET, &packet, &packet.source,
                packet.source_port);
    return REFUSE;
}
