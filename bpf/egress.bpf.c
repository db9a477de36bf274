// The belt: whatever a governed socket sends, and however it came to, leaves only towards the proxy or a resolver.
#include "packet.h"

SEC("cgroup_skb/egress")
int assent_egress(struct __sk_buff* skb) {
    struct packet packet = {};
    if (read_packet(skb, &packet) && is_permitted(skb, packet.protocol, &packet.destination, packet.destination_port))
        return PASS;
    tell_packet(skb, ASSENT_DROPPED_PACKET, &packet, &packet.destination, packet.destination_port);
    return REFUSE;
}
