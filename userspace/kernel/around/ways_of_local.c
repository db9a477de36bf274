// Unix sockets: databases, the Docker daemon, ssh-agent, D-Bus. Somebody behind them may go out in the agent's place.
#include <errno.h>
#include <unistd.h>

#include "around/way.h"

static int by_path(struct attempt* attempt) {
    const int socket = open_socket(attempt, AF_UNIX, SOCK_STREAM, 0);
    if (socket < 0) return errno;
    const struct place to = unix_place(attempt->ground->unix_path, false);
    return reach(attempt, socket, &to);
}

static int by_abstract_name(struct attempt* attempt) {
    const int socket = open_socket(attempt, AF_UNIX, SOCK_STREAM, 0);
    if (socket < 0) return errno;
    const struct place to = unix_place(attempt->ground->abstract_name, true);
    return reach(attempt, socket, &to);
}

const struct way ways_of_local[] = {
    {"unix-path", "a unix socket of another service, by its path", by_path, NULL, ONCE, NULL},
    {"unix-abstract", "a unix socket of another service, by its abstract name", by_abstract_name, NULL, ONCE, NULL},
    {NULL, NULL, NULL, NULL, 0, NULL},
};
