// Towards a governed socket only the proxy gets through, so nobody can connect to an agent.
#include "packet.h"

SEC("cgroup_skb/ingress")
int assent_ingress(struct __sk_buff* skb) {
    struct packet packet = {};
    if (read_packet(skb, &packet) && !packet.is_opening && is_permitted(skb, &packet.source, packet.source_port))
        return PASS;
    tell_packet(skb, packet.is_opening ? ASSENT_REFUSED_LISTEN : ASSENT_DROPPED_PACKET, &packet, &packet.source,
                packet.source_port);
    return REFUSE;
}
