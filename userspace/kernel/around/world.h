// The other host, this one, and who listens where: what is seen of an attempt from outside. Private to around/.
#ifndef ASSENT_AROUND_WORLD_H
#define ASSENT_AROUND_WORLD_H

#include "around/way.h"

#define LISTENERS_MAXIMUM 48

struct world {
    struct ground ground;
    int near_namespace;
    int sniffer;                   // all that comes in at the other host
    int far[LISTENERS_MAXIMUM];    // listen on the other host
    int local[LISTENERS_MAXIMUM];  // on this one, not the proxy; unix sockets as well
    int proxy[LISTENERS_MAXIMUM];
    int far_count;
    int local_count;
    int proxy_count;
    char folder[48];
};

// 0, or an errno and in `stage` what failed.
int world_make(struct world* world, const struct around_options* options, const char** stage);
void world_end(struct world* world);
// What has happened since this was last asked. Closes what has connected.
struct seen {
    bool has_packet;
    bool has_mark;
};
struct seen world_look(struct world* world);
bool world_is_redirected(struct world* world);
// Connects and sends to an agent that listens: from the other host, and from this one.
void world_knock(const struct world* world, int family);

#endif
