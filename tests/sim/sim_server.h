// A twin of a PostgreSQL backend, as far as the wire goes: start-up, simple and extended query, errors that skip to Sync,
// transaction status. It keeps what it was told to run, so that a test can ask whether it was recorded before.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace assent::sim {

// Messages as bytes.
[[nodiscard]] std::string message(char type, std::string_view payload);
[[nodiscard]] std::string int16(std::size_t value);
[[nodiscard]] std::string int32(std::size_t value);
[[nodiscard]] std::string zero_terminated(std::string_view text);

class Server {
public:
    // `ran` is called with each text before it runs; `out` takes what the agent's side must receive.
    Server(std::function<void(std::string_view)> ran, std::function<void(std::string)> out)
        : ran_(std::move(ran)), out_(std::move(out)) {}

    void received(Bytes bytes);
    [[nodiscard]] bool has_ended() const { return has_ended_; }
    [[nodiscard]] char status() const { return status_; }

private:
    void startup(std::string_view payload);
    void handle(char type, std::string_view payload);
    void run_simple(std::string_view text);
    // Empty: it ran; otherwise the SQLSTATE.
    std::string run(std::string_view text, std::string& replies);
    std::string run_savepoint(std::string_view text, std::string& replies);
    void fail(std::string_view code, std::string_view text);
    void ready();

    std::function<void(std::string_view)> ran_;
    std::function<void(std::string)> out_;
    std::string buffer_;
    std::map<std::string, std::string> statements_;
    std::map<std::string, std::string> portals_;
    bool is_started_ = false;
    bool is_skipping_ = false;
    bool has_ended_ = false;
    char status_ = 'I';
    unsigned savepoints_ = 0;  // of one name
};

}  // namespace assent::sim
