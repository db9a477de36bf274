// What a container or unit does first: connects to a port of 127.0.0.1 and says how that ended. Statically linked, so that
// it runs in an empty root and nothing delays it.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char** arguments) {
    const long port = count == 2 ? strtol(arguments[1], NULL, 10) : 0;
    if (port <= 0 || port > 65535) return 2;
    const struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons((unsigned short)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int socket_made = socket(AF_INET, SOCK_STREAM, 0);
    if (socket_made < 0) {
        printf("socket: %s\n", strerror(errno));
        return 1;
    }
    if (connect(socket_made, (const struct sockaddr*)&to, sizeof(to)) != 0) {
        printf("connect: %s\n", strerror(errno));
        return 1;
    }
    char byte = 0;
    const ssize_t size = read(socket_made, &byte, 1);
    printf("connected, then %s\n", size > 0 ? "served" : size == 0 ? "closed" : strerror(errno));
    return size > 0 ? 0 : 1;
}
