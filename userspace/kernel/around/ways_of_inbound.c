// Being connected to: whoever comes in brings a way out. And taking the places that others trust.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "around/way.h"

static int await(struct attempt* attempt, int listener, bool is_stream) {
    ready();
    struct pollfd waited = {.fd = listener, .events = POLLIN};
    if (poll(&waited, 1, 400) <= 0) {
        attempt->stage = "poll";
        return ETIMEDOUT;
    }
    const int in = is_stream ? accept(listener, NULL, NULL) : listener;
    char bytes[64];
    attempt->stage = is_stream ? "accept" : "recv";
    if (in < 0) return errno;
    if (recv(in, bytes, sizeof(bytes), 0) <= 0) return failed(attempt, "recv");
    attempt->has_received = true;
    return 0;
}

static int listening(struct attempt* attempt, int option) {
    const int socket = open_socket(attempt, attempt->family, SOCK_STREAM, 0);
    if (socket < 0) return errno;
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (option != 0 && setsockopt(socket, SOL_TCP, option, &on, sizeof(on)) != 0) return failed(attempt, "setsockopt");
    const struct place place = place_of(attempt->family == AF_INET6 ? "::" : "0.0.0.0", INBOUND_PORT);
    if (bind(socket, at(&place), place.size) != 0) return failed(attempt, "bind");
    if (listen(socket, 4) != 0) return failed(attempt, "listen");
    return await(attempt, socket, true);
}

static int for_streams(struct attempt* attempt) { return listening(attempt, 0); }
static int for_fast_streams(struct attempt* attempt) { return listening(attempt, TCP_FASTOPEN); }

static int for_datagrams(struct attempt* attempt) {
    const int socket = open_socket(attempt, attempt->family, SOCK_DGRAM, 0);
    if (socket < 0) return errno;
    const struct place place = place_of(attempt->family == AF_INET6 ? "::" : "0.0.0.0", INBOUND_PORT);
    if (bind(socket, at(&place), place.size) != 0) return failed(attempt, "bind");
    return await(attempt, socket, false);
}

static int take_place(struct attempt* attempt, int type, const char* ip, unsigned short port, int option) {
    const struct place place = place_of(ip, port);
    const int socket = open_socket(attempt, place.address.ss_family, type, 0);
    if (socket < 0) return errno;
    const int on = 1;
    if (option != 0 && setsockopt(socket, SOL_SOCKET, option, &on, sizeof(on)) != 0) return failed(attempt, "setsockopt");
    if (bind(socket, at(&place), place.size) != 0) return failed(attempt, "bind");
    if (type == SOCK_STREAM && listen(socket, 1) != 0) return failed(attempt, "listen");
    attempt->stage = "listen";
    attempt->has_opened = true;
    return 0;
}

static unsigned short proxy_port(const struct attempt* attempt) { return attempt->ground->options->ports[0]; }

static int as_proxy(struct attempt* attempt) {
    return take_place(attempt, SOCK_STREAM, attempt->family == AF_INET6 ? "::1" : "127.0.0.1", proxy_port(attempt), 0);
}

static int as_proxy_shared(struct attempt* attempt) {
    return take_place(attempt, SOCK_STREAM, attempt->family == AF_INET6 ? "::1" : "127.0.0.1", proxy_port(attempt),
                      SO_REUSEPORT);
}

static int as_proxy_everywhere(struct attempt* attempt) {
    return take_place(attempt, SOCK_STREAM, attempt->family == AF_INET6 ? "::" : "0.0.0.0", proxy_port(attempt),
                      SO_REUSEADDR);
}

static int as_proxy_elsewhere(struct attempt* attempt) {
    return take_place(attempt, SOCK_STREAM, "127.0.0.2", proxy_port(attempt), 0);
}

static int as_resolver(struct attempt* attempt) {
    return take_place(attempt, SOCK_DGRAM, attempt->family == AF_INET6 ? "::1" : RESOLVER, 53, SO_REUSEADDR);
}

const struct way ways_of_inbound[] = {
    {"inbound-tcp", "listening for TCP", for_streams, NULL, BOTH | INBOUND, NULL},
    {"inbound-fastopen", "listening for TCP Fast Open", for_fast_streams, NULL, BOTH | INBOUND, NULL},
    {"inbound-udp", "waiting for UDP", for_datagrams, NULL, BOTH | INBOUND, NULL},
    {"take-proxy", "taking the proxy's port", as_proxy, NULL, BOTH, NULL},
    {"take-proxy-shared", "sharing the proxy's port, SO_REUSEPORT", as_proxy_shared, NULL, BOTH, NULL},
    {"take-proxy-any", "taking the proxy's port on every address", as_proxy_everywhere, NULL, BOTH, NULL},
    {"take-proxy-elsewhere", "taking the proxy's port on another loopback address", as_proxy_elsewhere, NULL, V4, NULL},
    {"take-resolver", "taking a resolver's port", as_resolver, NULL, BOTH, NULL},
    {NULL, NULL, NULL, NULL, 0, NULL},
};
