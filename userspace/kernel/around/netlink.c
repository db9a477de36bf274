#include "around/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    struct nlmsghdr header;
    char body[1024];
};

static void* end_of(struct request* request) { return (char*)request + NLMSG_ALIGN(request->header.nlmsg_len); }

static struct request begin(unsigned short type, unsigned short flags, const void* head, size_t size) {
    struct request out;
    memset(&out, 0, sizeof(out));
    out.header.nlmsg_type = type;
    out.header.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags);
    memcpy(out.body, head, size);
    out.header.nlmsg_len = (unsigned)NLMSG_LENGTH(size);
    return out;
}

static struct rtattr* add(struct request* request, unsigned short type, const void* data, size_t size) {
    struct rtattr* out = end_of(request);
    out->rta_type = type;
    out->rta_len = (unsigned short)RTA_LENGTH(size);
    if (size > 0) memcpy(RTA_DATA(out), data, size);
    request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + (unsigned)RTA_ALIGN(out->rta_len);
    return out;
}

static void close_nest(struct request* request, struct rtattr* nest) {
    nest->rta_len = (unsigned short)((char*)end_of(request) - (char*)nest);
}

static int send_request(struct request* request) {
    const int socket_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (socket_ < 0) return errno;
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char more[1024];
    } answer;
    int error = 0;
    if (send(socket_, request, request->header.nlmsg_len, 0) < 0 || recv(socket_, &answer, sizeof(answer), 0) < 0)
        error = errno;
    else if (answer.header.nlmsg_type == NLMSG_ERROR)
        error = -answer.error.error;
    close(socket_);
    return error;
}

int link_add_pair(const char* near, const unsigned char* near_mac, const char* far, const unsigned char* far_mac,
                  int far_namespace) {
    const struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
    struct request request = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
    add(&request, IFLA_IFNAME, near, strlen(near) + 1);
    add(&request, IFLA_ADDRESS, near_mac, ETH_ALEN);
    struct rtattr* info = add(&request, IFLA_LINKINFO, NULL, 0);
    add(&request, IFLA_INFO_KIND, "veth", 4);
    struct rtattr* data = add(&request, IFLA_INFO_DATA, NULL, 0);
    struct rtattr* peer = add(&request, VETH_INFO_PEER, &head, sizeof(head));
    add(&request, IFLA_IFNAME, far, strlen(far) + 1);
    add(&request, IFLA_ADDRESS, far_mac, ETH_ALEN);
    add(&request, IFLA_NET_NS_FD, &far_namespace, sizeof(far_namespace));
    close_nest(&request, peer);
    close_nest(&request, data);
    close_nest(&request, info);
    return send_request(&request);
}

int link_raise(const char* name) {
    const struct ifinfomsg head = {
        .ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(name), .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct request request = begin(RTM_NEWLINK, 0, &head, sizeof(head));
    return send_request(&request);
}

static unsigned char family_of(const char* address, unsigned char* bytes, size_t* size) {
    if (inet_pton(AF_INET, address, bytes) == 1) {
        *size = 4;
        return AF_INET;
    }
    *size = 16;
    return inet_pton(AF_INET6, address, bytes) == 1 ? AF_INET6 : AF_UNSPEC;
}

int address_change(const char* interface, const char* address, int prefix, bool is_added) {
    unsigned char bytes[16];
    size_t size = 0;
    const struct ifaddrmsg head = {.ifa_family = family_of(address, bytes, &size),
                                   .ifa_prefixlen = (unsigned char)prefix,
                                   .ifa_flags = IFA_F_NODAD,
                                   .ifa_index = if_nametoindex(interface)};
    struct request request = begin(is_added ? RTM_NEWADDR : RTM_DELADDR, is_added ? NLM_F_CREATE : 0, &head, sizeof(head));
    add(&request, IFA_LOCAL, bytes, size);
    add(&request, IFA_ADDRESS, bytes, size);
    return send_request(&request);
}

int route_add(const char* interface, const char* address, int prefix) {
    unsigned char bytes[16];
    size_t size = 0;
    const struct rtmsg head = {.rtm_family = family_of(address, bytes, &size),
                               .rtm_dst_len = (unsigned char)prefix,
                               .rtm_table = RT_TABLE_MAIN,
                               .rtm_protocol = RTPROT_STATIC,
                               .rtm_scope = RT_SCOPE_LINK,
                               .rtm_type = RTN_UNICAST};
    struct request request = begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
    add(&request, RTA_DST, bytes, size);
    const unsigned index = if_nametoindex(interface);
    add(&request, RTA_OIF, &index, sizeof(index));
    return send_request(&request);
}

int leave_by(const char* from, const char* to) {
    struct tcmsg head = {.tcm_family = AF_UNSPEC,
                         .tcm_ifindex = (int)if_nametoindex(from),
                         .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
                         .tcm_parent = TC_H_CLSACT};
    struct request queue = begin(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
    add(&queue, TCA_KIND, "clsact", 7);
    const int error = send_request(&queue);
    if (error != 0) return error;

    head.tcm_handle = 0;
    head.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);
    head.tcm_info = TC_H_MAKE(1U << 16, (unsigned)htons(ETH_P_ALL));
    struct request filter = begin(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
    add(&filter, TCA_KIND, "matchall", 9);
    struct rtattr* options = add(&filter, TCA_OPTIONS, NULL, 0);
    struct rtattr* actions = add(&filter, TCA_MATCHALL_ACT, NULL, 0);
    struct rtattr* first = add(&filter, 1, NULL, 0);
    add(&filter, TCA_ACT_KIND, "mirred", 7);
    struct rtattr* settings = add(&filter, TCA_ACT_OPTIONS, NULL, 0);
    const struct tc_mirred redirect = {.action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = if_nametoindex(to)};
    add(&filter, TCA_MIRRED_PARMS, &redirect, sizeof(redirect));
    close_nest(&filter, settings);
    close_nest(&filter, first);
    close_nest(&filter, actions);
    close_nest(&filter, options);
    return send_request(&filter);
}
