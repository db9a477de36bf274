// The ends of a packet. Options and extension headers are not followed: such a packet is not one that may pass.
#ifndef ASSENT_PACKET_H
#define ASSENT_PACKET_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "network.h"

struct packet {
    struct assent_address source;
    struct assent_address destination;
    __u32 family;
    __u32 protocol;
    __u16 source_port;
    __u16 destination_port;
    bool is_opening;  // SYN without ACK
};

static __always_inline bool read_addresses(struct __sk_buff* skb, struct packet* out, __u32* offset) {
    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        struct iphdr header;
        if (bpf_skb_load_bytes(skb, 0, &header, sizeof(header)) != 0) return false;
        out->source = mapped(header.saddr);
        out->destination = mapped(header.daddr);
        out->family = AF_INET;
        out->protocol = header.protocol;
        *offset = sizeof(header);
        return header.ihl == 5;
    }
    if (skb->protocol != bpf_htons(ETH_P_IPV6)) return false;
    struct ipv6hdr header;
    if (bpf_skb_load_bytes(skb, 0, &header, sizeof(header)) != 0) return false;
    __builtin_memcpy(&out->source, &header.saddr, sizeof(out->source));
    __builtin_memcpy(&out->destination, &header.daddr, sizeof(out->destination));
    out->family = AF_INET6;
    out->protocol = header.nexthdr;
    *offset = sizeof(header);
    return true;
}

static __always_inline bool read_packet(struct __sk_buff* skb, struct packet* out) {
    __u32 offset = 0;
    if (!read_addresses(skb, out, &offset)) return false;
    if (out->protocol == IPPROTO_TCP) {
        struct tcphdr header;
        if (bpf_skb_load_bytes(skb, offset, &header, sizeof(header)) != 0) return false;
        out->source_port = bpf_ntohs(header.source);
        out->destination_port = bpf_ntohs(header.dest);
        out->is_opening = header.syn && !header.ack;
        return true;
    }
    if (out->protocol != IPPROTO_UDP) return false;
    struct udphdr header;
    if (bpf_skb_load_bytes(skb, offset, &header, sizeof(header)) != 0) return false;
    out->source_port = bpf_ntohs(header.source);
    out->destination_port = bpf_ntohs(header.dest);
    return true;
}

// In the network namespace of the packet; its ends as the receiver has them.
static __always_inline __u32 who_receives_packet(struct __sk_buff* skb, const struct packet* packet) {
    struct bpf_sock_tuple ends = {};
    const bool is_udp = packet->protocol == IPPROTO_UDP;
    if (packet->family == AF_INET) {
        ends.ipv4.saddr = packet->source.words[3];
        ends.ipv4.daddr = packet->destination.words[3];
        ends.ipv4.sport = bpf_htons(packet->source_port);
        ends.ipv4.dport = bpf_htons(packet->destination_port);
        return who_receives(skb, &ends, sizeof(ends.ipv4), is_udp);
    }
    __builtin_memcpy(ends.ipv6.saddr, &packet->source, sizeof(ends.ipv6.saddr));
    __builtin_memcpy(ends.ipv6.daddr, &packet->destination, sizeof(ends.ipv6.daddr));
    ends.ipv6.sport = bpf_htons(packet->source_port);
    ends.ipv6.dport = bpf_htons(packet->destination_port);
    return who_receives(skb, &ends, sizeof(ends.ipv6), is_udp);
}

// The far end of a governed flow: the proxy, over the loopback interface.
static __always_inline bool is_permitted(struct __sk_buff* skb, const struct assent_address* far, __u16 far_port) {
    const struct assent_config* settings = read_config();
    return settings && skb->ifindex == ASSENT_LOOPBACK_INTERFACE && is_loopback(far) && is_proxy_port(settings, far_port);
}

static __always_inline struct bpf_sock* full_socket(struct __sk_buff* skb) {
    struct bpf_sock* socket = skb->sk;
    return socket ? bpf_sk_fullsock(socket) : NULL;
}

static __always_inline struct assent_origin* origin_of_packet(struct __sk_buff* skb) {
    struct bpf_sock* socket = full_socket(skb);
    if (!socket) return NULL;
    return bpf_sk_storage_get(&origins, socket, NULL, 0);
}

static __always_inline void tell_packet(struct __sk_buff* skb, __u32 kind, const struct packet* packet,
                                        const struct assent_address* far, __u16 far_port) {
    struct assent_event event = {};
    struct assent_origin* origin = origin_of_packet(skb);
    if (origin) event.who = origin->who;
    event.who.cgroup_id = bpf_skb_cgroup_id(skb);
    event.address = *far;
    event.kind = kind;
    event.family = packet->family;
    event.protocol = packet->protocol;
    event.port = far_port;
    tell(&event);
}

#endif
