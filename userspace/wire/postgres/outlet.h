// What goes to one side. Bytes passed from where they were received are joined to runs as long as they are contiguous, so
// that a buffer of messages leaves in one send.
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
        if (!run_.empty() && run_.data() + run_.size() == bytes.data()) {
            run_ = Bytes(run_.data(), run_.size() + bytes.size());
            return;
        }
        flush();
        run_ = bytes;
    }
    void send(Bytes bytes) {
        flush();
        if (!bytes.empty() && !is_closed_) host_.send(side_, bytes);
    }
    void flush() {
        if (run_.empty()) return;
        const Bytes run = run_;
        run_ = {};
        host_.send(side_, run);
    }
    // Whatever comes after this is dropped.
    void close() {
        flush();
        is_closed_ = true;
    }

private:
    Host& host_;
    Side side_;
    Bytes run_;
    bool is_closed_ = false;
};

}  // namespace assent::wire::postgres
