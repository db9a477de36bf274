// io_uring: the same calls, made by the kernel's own threads. No library: the system calls alone.
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "around/way.h"

struct ring {
    int descriptor;
    struct io_uring_params parameters;
    unsigned char* indexes;
    unsigned char* completions;
    struct io_uring_sqe* entries;
};

static struct ring shared;  // made before the agent is one

static unsigned* word(unsigned char* base, unsigned offset) { return (unsigned*)(void*)(base + offset); }

static void* map_ring(int descriptor, size_t size, long long offset) {
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, descriptor, offset);
}

static int open_ring(struct attempt* attempt, struct ring* out, unsigned flags) {
    memset(out, 0, sizeof(*out));
    out->parameters.flags = flags;
    out->parameters.sq_thread_idle = 100;
    out->descriptor = (int)syscall(SYS_io_uring_setup, 4, &out->parameters);
    if (out->descriptor < 0) return failed(attempt, "io_uring_setup");
    const struct io_uring_params* made = &out->parameters;
    out->indexes = map_ring(out->descriptor, made->sq_off.array + made->sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    out->completions =
        map_ring(out->descriptor, made->cq_off.cqes + made->cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
    out->entries = map_ring(out->descriptor, made->sq_entries * sizeof(struct io_uring_sqe), (long long)IORING_OFF_SQES);
    if (out->indexes == MAP_FAILED || out->completions == MAP_FAILED || out->entries == MAP_FAILED)
        return failed(attempt, "mmap");
    return 0;
}

// The result of one operation: 0 or more, or the errno negated.
static int operate(struct ring* ring, const struct io_uring_sqe* entry) {
    const struct io_uring_params* made = &ring->parameters;
    unsigned* tail = word(ring->indexes, made->sq_off.tail);
    const unsigned mask = *word(ring->indexes, made->sq_off.ring_mask);
    ring->entries[*tail & mask] = *entry;
    word(ring->indexes, made->sq_off.array)[*tail & mask] = *tail & mask;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    const bool is_polled = (made->flags & IORING_SETUP_SQPOLL) != 0;
    const unsigned flags = is_polled ? IORING_ENTER_SQ_WAKEUP : 0;
    if (syscall(SYS_io_uring_enter, ring->descriptor, is_polled ? 0 : 1, 0, flags, NULL, 0) < 0) return -errno;
    struct pollfd waited = {.fd = ring->descriptor, .events = POLLIN};
    if (poll(&waited, 1, 400) <= 0) return -ETIMEDOUT;
    unsigned* head = word(ring->completions, made->cq_off.head);
    const struct io_uring_cqe* done = (const struct io_uring_cqe*)(const void*)(ring->completions + made->cq_off.cqes);
    const int result = done[*head & *word(ring->completions, made->cq_off.ring_mask)].res;
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    return result;
}

static int told(struct attempt* attempt, const char* stage, int result) {
    attempt->stage = stage;
    return result < 0 ? -result : 0;
}

static int socket_by_ring(struct ring* ring, int domain, int type, int protocol) {
    const struct io_uring_sqe entry = {
        .opcode = IORING_OP_SOCKET, .fd = domain, .off = (unsigned)type, .len = (unsigned)protocol};
    return operate(ring, &entry);
}

static int connect_by_ring(struct attempt* attempt, struct ring* ring, int socket) {
    const struct place to = far_place(attempt, FAR_PORT);
    const struct io_uring_sqe entry = {
        .opcode = IORING_OP_CONNECT, .fd = socket, .addr = (unsigned long)&to.address, .off = to.size};
    const int connected = operate(ring, &entry);
    if (connected < 0) return told(attempt, "connect", connected);
    const struct io_uring_sqe sending = {
        .opcode = IORING_OP_SEND, .fd = socket, .addr = (unsigned long)MARK, .len = MARK_SIZE};
    return told(attempt, "send", operate(ring, &sending));
}

static int everything_by_ring(struct attempt* attempt, struct ring* ring) {
    const int socket = socket_by_ring(ring, attempt->family, SOCK_STREAM, 0);
    if (socket < 0) return told(attempt, "socket", socket);
    return connect_by_ring(attempt, ring, socket);
}

static int connecting(struct attempt* attempt) {
    struct ring ring;
    const int error = open_ring(attempt, &ring, 0);
    return error != 0 ? error : everything_by_ring(attempt, &ring);
}

static int polled(struct attempt* attempt) {
    struct ring ring;
    const int error = open_ring(attempt, &ring, IORING_SETUP_SQPOLL);
    return error != 0 ? error : everything_by_ring(attempt, &ring);
}

static int sending(struct attempt* attempt) {
    struct ring ring;
    const int error = open_ring(attempt, &ring, 0);
    if (error != 0) return error;
    const int socket = open_socket(attempt, attempt->family, SOCK_DGRAM, 0);
    if (socket < 0) return errno;
    struct place to = far_place(attempt, FAR_PORT);
    struct iovec piece = {.iov_base = MARK, .iov_len = MARK_SIZE};
    const struct msghdr message = {.msg_name = &to.address, .msg_namelen = to.size, .msg_iov = &piece, .msg_iovlen = 1};
    const struct io_uring_sqe entry = {.opcode = IORING_OP_SENDMSG, .fd = socket, .addr = (unsigned long)&message, .len = 1};
    return told(attempt, "sendmsg", operate(&ring, &entry));
}

static int without_copying(struct attempt* attempt) {
    struct ring ring;
    const int error = open_ring(attempt, &ring, 0);
    if (error != 0) return error;
    const int socket = open_socket(attempt, attempt->family, SOCK_DGRAM, 0);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, FAR_PORT);
    const struct io_uring_sqe entry = {.opcode = IORING_OP_SEND_ZC,
                                       .fd = socket,
                                       .addr = (unsigned long)MARK,
                                       .len = MARK_SIZE,
                                       .addr2 = (unsigned long)&to.address,
                                       .addr_len = (unsigned short)to.size};
    return told(attempt, "send", operate(&ring, &entry));
}

static int raw_by_ring(struct attempt* attempt) {
    struct ring ring;
    const int error = open_ring(attempt, &ring, 0);
    if (error != 0) return error;
    const int socket = socket_by_ring(&ring, attempt->family, SOCK_RAW, IPPROTO_UDP);
    if (socket < 0) return told(attempt, "socket", socket);
    const struct place to = far_place(attempt, 0);
    return throw_at(attempt, socket, &to);
}

static int prepare_ring(struct attempt* attempt) { return open_ring(attempt, &shared, IORING_SETUP_SQPOLL); }

static int made_before(struct attempt* attempt) { return everything_by_ring(attempt, &shared); }

const struct way ways_of_rings[] = {
    {"uring", "io_uring: socket, connect, send", connecting, NULL, BOTH, NULL},
    {"uring-polled", "io_uring by the kernel's polling thread", polled, NULL, BOTH, NULL},
    {"uring-sendmsg", "io_uring: UDP sendmsg", sending, NULL, BOTH, NULL},
    {"uring-send-zc", "io_uring: UDP send without copying", without_copying, NULL, BOTH, NULL},
    {"uring-raw", "io_uring: a raw socket", raw_by_ring, NULL, BOTH, NULL},
    {"uring-before", "io_uring with a polling thread, made before the cgroup was entered", made_before, prepare_ring, BOTH,
     NULL},
    {NULL, NULL, NULL, NULL, 0, NULL},
};
