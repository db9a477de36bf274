// Sockets that are neither TCP nor UDP.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "around/way.h"

const struct around_socket_kind around_inet_kinds[] = {
    {"raw-icmp", "raw socket, ICMP", AF_INET, SOCK_RAW, IPPROTO_ICMP},
    {"raw-icmp6", "raw socket, ICMPv6", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6},
    {"raw-tcp", "raw socket, TCP", 0, SOCK_RAW, IPPROTO_TCP},
    {"raw-udp", "raw socket, UDP", 0, SOCK_RAW, IPPROTO_UDP},
    {"raw-gre", "raw socket, GRE", 0, SOCK_RAW, IPPROTO_GRE},
    {"mptcp", "Multipath TCP", 0, SOCK_STREAM, 262},
    {"sctp", "SCTP", 0, SOCK_STREAM, IPPROTO_SCTP},
    {"sctp-seqpacket", "SCTP, one to many", 0, SOCK_SEQPACKET, IPPROTO_SCTP},
    {"dccp", "DCCP", 0, 6, IPPROTO_DCCP},
    {"udplite", "UDP-Lite", 0, SOCK_DGRAM, IPPROTO_UDPLITE},
    {"smc-inet", "SMC over INET", 0, SOCK_STREAM, 256},
    {"l2tp", "L2TP", 0, SOCK_DGRAM, 115},
    {NULL, NULL, 0, 0, 0},
};

const struct around_socket_kind around_other_kinds[] = {
    {"packet", "packets below IP (AF_PACKET)", AF_PACKET, SOCK_RAW, 0},
    {"vsock", "virtual machine sockets (AF_VSOCK)", AF_VSOCK, SOCK_STREAM, 0},
    {"xdp", "AF_XDP", AF_XDP, SOCK_RAW, 0},
    {"key", "IPsec keys (AF_KEY)", AF_KEY, SOCK_RAW, 2},
    {"alg", "kernel cryptography (AF_ALG)", AF_ALG, SOCK_SEQPACKET, 0},
    {"smc", "SMC (AF_SMC)", AF_SMC, SOCK_STREAM, 0},
    {"tipc", "TIPC", AF_TIPC, SOCK_STREAM, 0},
    {"rds", "RDS", AF_RDS, SOCK_SEQPACKET, 0},
    {"rxrpc", "RxRPC", AF_RXRPC, SOCK_DGRAM, AF_INET},
    {"kcm", "KCM", AF_KCM, SOCK_DGRAM, 0},
    {"bluetooth", "Bluetooth", AF_BLUETOOTH, SOCK_RAW, 1},
    {"can", "CAN", AF_CAN, SOCK_RAW, 1},
    {"ieee802154", "IEEE 802.15.4", AF_IEEE802154, SOCK_DGRAM, 0},
    {"pppox", "PPP over something", AF_PPPOX, SOCK_STREAM, 0},
    {"llc", "LLC", AF_LLC, SOCK_DGRAM, 0},
    {"phonet", "Phonet", AF_PHONET, SOCK_DGRAM, 0},
    {"qrtr", "Qualcomm IPC router", AF_QIPCRTR, SOCK_DGRAM, 0},
    {"mctp", "MCTP", 45, SOCK_DGRAM, 0},
    {"netlink-uevent", "netlink other than routing (uevent)", AF_NETLINK, SOCK_RAW, 15},
    {NULL, NULL, 0, 0, 0},
};

// Opens it and sends or connects: whatever the protocol makes of the bytes, they would be outside.
static int opened_and_sent(struct attempt* attempt, int type, int protocol) {
    const int socket = open_socket(attempt, attempt->family, type, protocol);
    if (socket < 0) return errno;
    const bool has_ports = type != SOCK_RAW;
    const struct place to = far_place(attempt, has_ports ? FAR_PORT : 0);
    return type == SOCK_RAW || type == SOCK_DGRAM ? throw_at(attempt, socket, &to) : reach(attempt, socket, &to);
}

int send_by_kind(struct attempt* attempt) { return opened_and_sent(attempt, attempt->kind->type, attempt->kind->protocol); }

int open_of_kind(struct attempt* attempt) {
    if (open_socket(attempt, attempt->kind->domain, attempt->kind->type, attempt->kind->protocol) < 0) return errno;
    attempt->has_opened = true;
    return 0;
}

static int raw_with_header(struct attempt* attempt) {
    const int socket = open_socket(attempt, attempt->family, SOCK_RAW, IPPROTO_RAW);
    if (socket < 0) return errno;
    struct {
        struct iphdr header;
        char mark[MARK_SIZE];
    } packet;
    memset(&packet, 0, sizeof(packet));
    packet.header.version = 4;
    packet.header.ihl = 5;
    packet.header.ttl = 64;
    packet.header.protocol = 253;  // for experiments
    packet.header.daddr = inet_addr(FAR4);
    memcpy(packet.mark, MARK, MARK_SIZE);
    const struct place to = far_place(attempt, 0);
    const bool is_v6 = attempt->family == AF_INET6;
    if (sendto(socket, is_v6 ? (const void*)packet.mark : &packet, is_v6 ? MARK_SIZE : sizeof(packet), 0, at(&to), to.size) <
        0)
        return failed(attempt, "sendto");
    attempt->stage = "sendto";
    return 0;
}

static int ping(struct attempt* attempt) {
    const bool is_v6 = attempt->family == AF_INET6;
    const int socket = open_socket(attempt, attempt->family, SOCK_DGRAM, is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    if (socket < 0) return errno;
    char packet[8 + MARK_SIZE] = {0};
    packet[0] = (char)(is_v6 ? 128 : 8);
    memcpy(packet + 8, MARK, MARK_SIZE);
    const struct place to = far_place(attempt, 0);
    if (sendto(socket, packet, sizeof(packet), 0, at(&to), to.size) < 0) return failed(attempt, "sendto");
    attempt->stage = "sendto";
    return 0;
}

static int packet_sent(struct attempt* attempt, int type) {
    const int socket = open_socket(attempt, AF_PACKET, type, 0);
    if (socket < 0) return errno;
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_802_EX1), .sll_ifindex = near_index(), .sll_halen = 6};
    memcpy(to.sll_addr, far_mac, sizeof(far_mac));
    unsigned char frame[64] = {0};
    size_t size = 0;
    if (type == SOCK_RAW) {
        memcpy(frame, far_mac, 6);
        memcpy(frame + 6, near_mac, 6);
        frame[12] = ETH_P_802_EX1 >> 8;
        frame[13] = ETH_P_802_EX1 & 0xff;
        size = 14;
    }
    memcpy(frame + size, MARK, MARK_SIZE);
    if (sendto(socket, frame, sizeof(frame), 0, (const struct sockaddr*)&to, sizeof(to)) < 0)
        return failed(attempt, "sendto");
    attempt->stage = "sendto";
    return 0;
}

static int packet_raw(struct attempt* attempt) { return packet_sent(attempt, SOCK_RAW); }
static int packet_cooked(struct attempt* attempt) { return packet_sent(attempt, SOCK_DGRAM); }

#ifdef __x86_64__
// The system calls of another architecture have other numbers: a filter that knows one set only would let them pass.
static int other_architecture(struct attempt* attempt) {
    const int i386_socket = 359;
    int out = 0;
    __asm__ volatile("int $0x80" : "=a"(out) : "a"(i386_socket), "b"(AF_PACKET), "c"(SOCK_RAW), "d"(0) : "memory");
    attempt->stage = "socket";
    if (out < 0) return -out;
    attempt->has_opened = true;
    return 0;
}
#endif

const struct way ways_of_sockets[] = {
    {"raw-header", "raw socket with an IP header of its own", raw_with_header, NULL, BOTH, NULL},
    {"ping", "ping socket", ping, NULL, BOTH, NULL},
    {"packet-raw", "a frame below IP (AF_PACKET)", packet_raw, NULL, ONCE, NULL},
    {"packet-cooked", "a packet below IP (AF_PACKET, SOCK_DGRAM)", packet_cooked, NULL, ONCE, NULL},
#ifdef __x86_64__
    {"i386-packet", "AF_PACKET by the system calls of i386", other_architecture, NULL, ONCE, NULL},
#endif
    {NULL, NULL, NULL, NULL, 0, NULL},
};
