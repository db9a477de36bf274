// What goes to one side. Bytes passed from where they were received are joined to runs as long as they are contiguous, so
// that a buffer of messages leaves in one send; so are messages made here, up to a size.
#pragma once

#include "base/bytes.h"
#include "wire/adapter.h"

namespace assent::wire::postgres {

class Outlet {
public:
    Outlet(Host& host, Side side) : host_(host), side_(side) {}

    // The bytes must stay where they are until flush().
    void pass(Bytes bytes) {
        if (is_closed_) return;
        if (written_.empty() && !run_.empty() && run_.data() + run_.size() == bytes.data()) {
            run_ = Bytes(run_.data(), run_.size() + bytes.size());
            return;
        }
        flush();
        run_ = bytes;
    }
    // Messages are appended to what this gives, then wrote() is called.
    ByteVector& writing() {
        send_run();
        return written_;
    }
    void wrote() {
        if (written_.size() >= written_limit) flush();
    }
    void send(Bytes bytes) {
        flush();
        if (!bytes.empty() && !is_closed_) host_.send(side_, bytes);
    }
    void flush() {
        send_run();
        if (written_.empty()) return;
        if (!is_closed_) host_.send(side_, written_);
        written_.clear();
    }
    // Gives back the memory that only large results need.
    void release() {
        if (written_.empty() && written_.capacity() > 0) written_ = ByteVector();
    }
    // Whatever comes after this is dropped.
    void close() {
        flush();
        is_closed_ = true;
    }

private:
    static constexpr std::size_t written_limit = 32 * 1024;

    void send_run() {
        if (run_.empty()) return;
        const Bytes run = run_;
        run_ = {};
        host_.send(side_, run);
    }

    Host& host_;
    Side side_;
    Bytes run_;  // empty when written_ is not: what was written comes first
    ByteVector written_;
    bool is_closed_ = false;
};

}  // namespace assent::wire::postgres
