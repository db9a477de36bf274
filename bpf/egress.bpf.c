// The belt: whatever a governed socket sends, and however it came to, leaves only towards the proxy. Of a datagram the
// source is final here, so the daemon finds by it who sent the query.
#include "dns.h"
#include "packet.h"

static __always_inline bool note_sender(struct __sk_buff* skb, const struct packet* packet) {
    struct assent_origin* origin = origin_of_packet(skb);
    if (!origin || !origin->is_redirected || origin->port != ASSENT_DNS_PORT) return false;
    const struct assent_address* resolver = resolver_behind(full_socket(skb), packet->destination_port);
    if (!resolver) return false;
    struct assent_origin sender = *origin;
    sender.asked_for = *resolver;
    sender.time_ns = bpf_ktime_get_ns();
    struct assent_pending_key key = {};
    key.source = packet->source;
    key.source_port = packet->source_port;
    key.proxy_port = packet->destination_port;
    key.netns_cookie = sender.netns_cookie;
    return bpf_map_update_elem(&senders, &key, &sender, BPF_ANY) == 0;
}

SEC("cgroup_skb/egress")
int assent_egress(struct __sk_buff* skb) {
    struct packet packet = {};
    if (read_packet(skb, &packet) && is_permitted(skb, &packet.destination, packet.destination_port) &&
        (packet.protocol == IPPROTO_TCP || note_sender(skb, &packet)))
        return PASS;
    tell_packet(skb, ASSENT_DROPPED_PACKET, &packet, &packet.destination, packet.destination_port);
    return REFUSE;
}
