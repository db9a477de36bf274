// What an attempt's process tells the runner, over its standard output: it is the one pipe that confinement leaves open.
// Private to around/.
#ifndef ASSENT_AROUND_REPORT_H
#define ASSENT_AROUND_REPORT_H

#include <stdbool.h>

#define REPORT_DESCRIPTOR 1

struct report {
    bool is_final;  // false: it listens now, and somebody is to connect
    bool has_opened;
    bool has_received;
    int error;
    char stage[24];
};

#endif
