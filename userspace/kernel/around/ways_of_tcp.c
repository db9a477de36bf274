// TCP, in every form that should end at the proxy or nowhere.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "around/way.h"

static int stream(struct attempt* attempt) { return open_socket(attempt, attempt->family, SOCK_STREAM, 0); }

static int plain(struct attempt* attempt) {
    const int socket = stream(attempt);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, FAR_PORT);
    return reach(attempt, socket, &to);
}

static int without_waiting(struct attempt* attempt) {
    const int socket = open_socket(attempt, attempt->family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, FAR_PORT);
    if (connect(socket, at(&to), to.size) != 0 && errno != EINPROGRESS) return failed(attempt, "connect");
    struct pollfd waited = {.fd = socket, .events = POLLOUT};
    if (poll(&waited, 1, 250) <= 0) {
        attempt->stage = "connect";
        return ETIMEDOUT;
    }
    return say(attempt, socket);
}

static int twice(struct attempt* attempt) {
    const int socket = stream(attempt);
    if (socket < 0) return errno;
    const struct place first = loopback_place(attempt, LOCAL_PORT);
    const struct place second = far_place(attempt, FAR_PORT);
    if (connect(socket, at(&first), first.size) != 0) return failed(attempt, "connect");
    if (connect(socket, at(&second), second.size) == 0 || errno != EISCONN) return failed(attempt, "connect again");
    return say(attempt, socket);
}

static int anew(struct attempt* attempt) {
    const int socket = stream(attempt);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, FAR_PORT);
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    if (connect(socket, at(&to), to.size) != 0) return failed(attempt, "connect");
    if (connect(socket, &nowhere, sizeof(nowhere)) != 0) return failed(attempt, "disconnect");
    return reach(attempt, socket, &to);
}

static int bound_and_reused(struct attempt* attempt, const struct place* source, int option) {
    const int socket = stream(attempt);
    if (socket < 0) return errno;
    const int on = 1;
    if (option != 0 && setsockopt(socket, SOL_SOCKET, option, &on, sizeof(on)) != 0) return failed(attempt, "setsockopt");
    if (bind(socket, at(source), source->size) != 0) return failed(attempt, "bind");
    const struct place to = far_place(attempt, FAR_PORT);
    return reach(attempt, socket, &to);
}

static int from_a_source(struct attempt* attempt) {
    const struct place source = near_place(attempt, 0);
    return bound_and_reused(attempt, &source, 0);
}

static int reuse_address(struct attempt* attempt) {
    const struct place source = near_place(attempt, 45001);
    return bound_and_reused(attempt, &source, SO_REUSEADDR);
}

static int reuse_port(struct attempt* attempt) {
    const struct place source = near_place(attempt, 45002);
    return bound_and_reused(attempt, &source, SO_REUSEPORT);
}

static int from_port_53(struct attempt* attempt) {
    const struct place source = near_place(attempt, 53);
    return bound_and_reused(attempt, &source, SO_REUSEADDR);
}

static int with_option(struct attempt* attempt, int level, int option, const void* value, socklen_t size) {
    const int socket = stream(attempt);
    if (socket < 0) return errno;
    if (setsockopt(socket, level, option, value, size) != 0) return failed(attempt, "setsockopt");
    const struct place to = far_place(attempt, FAR_PORT);
    return reach(attempt, socket, &to);
}

static int transparent(struct attempt* attempt) {
    const int socket = stream(attempt);
    if (socket < 0) return errno;
    const int on = 1;
    const bool is_v6 = attempt->family == AF_INET6;
    if (setsockopt(socket, is_v6 ? SOL_IPV6 : SOL_IP, is_v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on, sizeof(on)) != 0)
        return failed(attempt, "setsockopt");
    const struct place foreign = place_of(is_v6 ? "fd0a:7e57::3" : "10.231.7.3", 0);
    if (bind(socket, at(&foreign), foreign.size) != 0) return failed(attempt, "bind");
    const struct place to = far_place(attempt, FAR_PORT);
    return reach(attempt, socket, &to);
}

static int by_device(struct attempt* attempt) {
    return with_option(attempt, SOL_SOCKET, SO_BINDTODEVICE, NEAR_INTERFACE, sizeof(NEAR_INTERFACE));
}

static int by_interface(struct attempt* attempt) {
    const int index = (int)htonl((unsigned)near_index());
    const bool is_v6 = attempt->family == AF_INET6;
    return with_option(attempt, is_v6 ? SOL_IPV6 : SOL_IP, is_v6 ? IPV6_UNICAST_IF : IP_UNICAST_IF, &index, sizeof(index));
}

static int marked(struct attempt* attempt) {
    const unsigned mark = 0x2a;
    return with_option(attempt, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

static int source_route(struct attempt* attempt) {
    if (attempt->family == AF_INET) {
        const unsigned char route[] = {IPOPT_NOP, IPOPT_LSRR, 7, 4, 10, 231, 7, 2};
        return with_option(attempt, SOL_IP, IP_OPTIONS, route, sizeof(route));
    }
    // Type 2 with one address: the other host.
    unsigned char route[24] = {0, 2, 2, 1};
    const struct place by = far_place(attempt, 0);
    memcpy(route + 8, &((const struct sockaddr_in6*)&by.address)->sin6_addr, 16);
    return with_option(attempt, SOL_IPV6, IPV6_RTHDR, route, sizeof(route));
}

static int extension_headers(struct attempt* attempt) {
    const unsigned char options[16] = {0, 1, 0x3e, 12, 'a', 's', 's', 'e', 'n', 't', '!', '!'};
    return with_option(attempt, SOL_IPV6, IPV6_DSTOPTS, options, sizeof(options));
}

static int repair(struct attempt* attempt) {
    const int on = 1;
    return with_option(attempt, SOL_TCP, TCP_REPAIR, &on, sizeof(on));
}

static int fast_open(struct attempt* attempt) {
    const int socket = stream(attempt);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, FAR_PORT);
    if (sendto(socket, MARK, MARK_SIZE, MSG_FASTOPEN | MSG_NOSIGNAL, at(&to), to.size) < 0) {
        if (errno == EINPROGRESS) errno = ETIMEDOUT;
        return failed(attempt, "sendto");
    }
    attempt->stage = "sendto";
    return 0;
}

static int fast_open_connect(struct attempt* attempt) {
    const int on = 1;
    return with_option(attempt, SOL_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on));
}

static int to_place(struct attempt* attempt, int domain, struct place to) {
    const int socket = open_socket(attempt, domain, SOCK_STREAM, 0);
    return socket < 0 ? errno : reach(attempt, socket, &to);
}

static int mapped(struct attempt* attempt) { return to_place(attempt, AF_INET6, place_of("::ffff:" FAR4, FAR_PORT)); }

static int link_local(struct attempt* attempt) { return to_place(attempt, AF_INET6, place_of(FAR_LINK6, FAR_PORT)); }

static int to_loopback(struct attempt* attempt) {
    return to_place(attempt, attempt->family, loopback_place(attempt, LOCAL_PORT));
}

static int to_unspecified(struct attempt* attempt) {
    return to_place(attempt, attempt->family, place_of(attempt->family == AF_INET6 ? "::" : "0.0.0.0", LOCAL_PORT));
}

static int to_own_address(struct attempt* attempt) {
    return to_place(attempt, attempt->family, near_place(attempt, LOCAL_PORT));
}

static int to_port_53(struct attempt* attempt) { return to_place(attempt, attempt->family, far_place(attempt, 53)); }

static int to_the_proxy(struct attempt* attempt) {
    return to_place(attempt, attempt->family, loopback_place(attempt, attempt->ground->options->ports[0]));
}

static int to_the_proxy_by_another_name(struct attempt* attempt) {
    const unsigned short port = attempt->ground->options->ports[0];
    return to_place(attempt, AF_INET6, place_of("::ffff:127.0.0.1", port));
}

const struct way ways_of_tcp[] = {
    {"tcp", "TCP", plain, NULL, BOTH, NULL},
    {"tcp-nonblocking", "TCP, not waiting for the connection", without_waiting, NULL, BOTH, NULL},
    {"tcp-twice", "TCP, connected twice", twice, NULL, BOTH, NULL},
    {"tcp-anew", "TCP, disconnected by AF_UNSPEC and connected anew", anew, NULL, BOTH, NULL},
    {"tcp-source", "TCP from a bound source address", from_a_source, NULL, BOTH, NULL},
    {"tcp-reuseaddr", "TCP from a bound port, SO_REUSEADDR", reuse_address, NULL, BOTH, NULL},
    {"tcp-reuseport", "TCP from a bound port, SO_REUSEPORT", reuse_port, NULL, BOTH, NULL},
    {"tcp-from-53", "TCP from source port 53", from_port_53, NULL, BOTH, NULL},
    {"tcp-transparent", "TCP from an address that is not this host's (IP_TRANSPARENT)", transparent, NULL, BOTH, NULL},
    {"tcp-device", "TCP, SO_BINDTODEVICE", by_device, NULL, BOTH, NULL},
    {"tcp-interface", "TCP, IP_UNICAST_IF", by_interface, NULL, BOTH, NULL},
    {"tcp-mark", "TCP, SO_MARK", marked, NULL, BOTH, NULL},
    {"tcp-source-route", "TCP, loose source route or routing header", source_route, NULL, BOTH, NULL},
    {"tcp-extension", "TCP with IPv6 destination options", extension_headers, NULL, V6, NULL},
    {"tcp-repair", "TCP, TCP_REPAIR: established without a handshake", repair, NULL, BOTH, NULL},
    {"tcp-fastopen", "TCP Fast Open, sendto(MSG_FASTOPEN)", fast_open, NULL, BOTH, NULL},
    {"tcp-fastopen-connect", "TCP Fast Open, TCP_FASTOPEN_CONNECT", fast_open_connect, NULL, BOTH, NULL},
    {"tcp-mapped", "TCP to a v4-mapped address", mapped, NULL, V6, NULL},
    {"tcp-link-local", "TCP to a link-local address", link_local, NULL, V6, NULL},
    {"tcp-loopback", "TCP to a service on this host's loopback", to_loopback, NULL, BOTH, NULL},
    {"tcp-unspecified", "TCP to 0.0.0.0 or ::, which is this host", to_unspecified, NULL, BOTH, NULL},
    {"tcp-own-address", "TCP to this host's own outer address", to_own_address, NULL, BOTH, NULL},
    {"tcp-53", "TCP to port 53 of another host", to_port_53, NULL, BOTH, NULL},
    {"proxy-port", "speaking to the proxy's port", to_the_proxy, NULL, BOTH, NULL},
    {"proxy-port-mapped", "speaking to the proxy's port by a v4-mapped address", to_the_proxy_by_another_name, NULL, V6,
     NULL},
    {NULL, NULL, NULL, NULL, 0, NULL},
};
