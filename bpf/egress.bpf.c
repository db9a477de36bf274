// The belt: whatever a governed socket sends, and however it came to, leaves only towards the proxy. Of a datagram the
// source is final here, so the daemon finds by it who sent the query.
#include "dns.h"
#include "network.h"
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

// In another network namespace than the daemon's its administrator may have taken the proxy's place, or led packets to
// another one by now: each goes only where the daemon's own socket takes it.
static __always_inline int judge_receiver(struct __sk_buff* skb, const struct packet* packet) {
    const struct assent_config* settings = read_config();
    if (!settings) return REFUSE;
    struct assent_origin* origin = origin_of_packet(skb);
    if (origin && origin->netns_cookie == settings->host_netns_cookie) return PASS;
    const __u32 receiver = who_receives_packet(skb, packet);
    if (receiver == THE_DAEMON) return PASS;
    if (receiver == SOMEBODY_ELSE) return REFUSE;
    const bool is_tcp = packet->protocol == IPPROTO_TCP;
    // A connection that has ended at the other side.
    if (is_tcp && !packet->is_opening) return PASS;
    if (origin && is_daemon_expected(origin->netns_cookie)) return DROP_UNSEEN;
    return is_tcp ? PASS : REFUSE;  // to be refused by the kernel itself
}

SEC("cgroup_skb/egress")
int assent_egress(struct __sk_buff* skb) {
    struct packet packet = {};
    if (read_packet(skb, &packet) && is_permitted(skb, &packet.destination, packet.destination_port) &&
        (packet.protocol == IPPROTO_TCP || note_sender(skb, &packet))) {
        const int decision = judge_receiver(skb, &packet);
        if (decision != REFUSE) return decision;
    }
    tell_packet(skb, ASSENT_DROPPED_PACKET, &packet, &packet.destination, packet.destination_port);
    return REFUSE;
}
