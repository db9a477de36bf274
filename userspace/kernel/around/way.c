#include "around/way.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "around/report.h"

struct place place_of(const char* ip, unsigned short port) {
    struct place out;
    memset(&out, 0, sizeof(out));
    struct sockaddr_in* v4 = (struct sockaddr_in*)&out.address;
    struct sockaddr_in6* v6 = (struct sockaddr_in6*)&out.address;
    if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        out.size = sizeof(*v4);
    } else if (inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) v6->sin6_scope_id = (unsigned)near_index();
        out.size = sizeof(*v6);
    }
    return out;
}

struct place far_place(const struct attempt* attempt, unsigned short port) {
    return place_of(attempt->family == AF_INET6 ? FAR6 : FAR4, port);
}

struct place near_place(const struct attempt* attempt, unsigned short port) {
    return place_of(attempt->family == AF_INET6 ? NEAR6 : NEAR4, port);
}

struct place loopback_place(const struct attempt* attempt, unsigned short port) {
    return place_of(attempt->family == AF_INET6 ? "::1" : "127.0.0.1", port);
}

struct place unix_place(const char* path_or_abstract, bool is_abstract) {
    struct place out;
    memset(&out, 0, sizeof(out));
    struct sockaddr_un* local = (struct sockaddr_un*)&out.address;
    local->sun_family = AF_UNIX;
    const size_t length = strnlen(path_or_abstract, sizeof(local->sun_path) - 2);
    memcpy(local->sun_path + (is_abstract ? 1 : 0), path_or_abstract, length);
    out.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return out;
}

int failed(struct attempt* attempt, const char* stage) {
    attempt->stage = stage;
    return errno;
}

int open_socket(struct attempt* attempt, int domain, int type, int protocol) {
    const int out = socket(domain, type | SOCK_CLOEXEC, protocol);
    attempt->stage = "socket";
    if (out < 0) return -1;
    const struct timeval patience = {.tv_sec = 0, .tv_usec = 250000};
    setsockopt(out, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    setsockopt(out, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return out;
}

int say(struct attempt* attempt, int socket) {
    if (send(socket, MARK, MARK_SIZE, MSG_NOSIGNAL) < 0) return failed(attempt, "send");
    attempt->stage = "send";
    return 0;
}

int reach(struct attempt* attempt, int socket, const struct place* to) {
    if (connect(socket, at(to), to->size) != 0) {
        if (errno == EINPROGRESS) errno = ETIMEDOUT;  // of a socket that waits, after its patience
        return failed(attempt, "connect");
    }
    return say(attempt, socket);
}

int throw_at(struct attempt* attempt, int socket, const struct place* to) {
    if (sendto(socket, MARK, MARK_SIZE, MSG_NOSIGNAL, at(to), to->size) < 0) return failed(attempt, "sendto");
    attempt->stage = "sendto";
    return 0;
}

int send_out(struct attempt* attempt) {
    const int family = attempt->family == AF_INET6 ? AF_INET6 : AF_INET;
    const int socket = open_socket(attempt, family, SOCK_DGRAM, 0);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, FAR_PORT);
    return throw_at(attempt, socket, &to);
}

int connected_out(int family) {
    const int out = socket(family == AF_INET6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
    const struct place to = place_of(family == AF_INET6 ? FAR6 : FAR4, FAR_PORT);
    if (out >= 0 && connect(out, at(&to), to.size) == 0) return out;
    close(out);
    return -1;
}

void ready(void) {
    const struct report note = {.is_final = false};
    if (write(REPORT_DESCRIPTOR, &note, sizeof(note)) < 0) _exit(1);
}

int near_index(void) { return (int)if_nametoindex(NEAR_INTERFACE); }

int write_file(const char* path, const char* text) {
    const int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return errno;
    const int error = write(file, text, strlen(text)) < 0 ? errno : 0;
    close(file);
    return error;
}
