// Who is signed in: in memory only, so that a restart signs everybody out. The browser has a random id, and this side only
// its hash. Thread: any.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/time.h"

namespace assent::console {

struct Session {
    std::string token;   // the person's ID token, for the daemon
    std::string person;  // issuer and subject, for counting
    std::string csrf;    // has to come with everything that changes something
    WallTime expires;    // the token does, or the longest time of a session is over
};

// 256 random bits in hexadecimal.
[[nodiscard]] std::string random_id();

class Sessions {
public:
    Sessions(const Clock& clock, std::chrono::seconds idle, std::chrono::seconds longest)
        : clock_(clock), idle_(idle), longest_(longest) {}

    // The id for the cookie; always a new one. When there are too many of the person, or of all, the one that was unused for
    // the longest time ends.
    [[nodiscard]] std::string open(std::string token, std::string person, WallTime token_expires);
    // The session, which counts as used now. Nothing: there is none, or it has ended.
    [[nodiscard]] std::optional<Session> use(std::string_view id);
    // Whether it is open, without using it.
    [[nodiscard]] bool is_open(std::string_view id);
    void end(std::string_view id);
    [[nodiscard]] std::size_t count() const;

private:
    struct Known {
        Session session;
        Moment used;
    };
    using Table = std::map<Digest, Known>;
    [[nodiscard]] Table::iterator find(std::string_view id);
    [[nodiscard]] bool is_over(const Known& known) const;
    void make_room(const std::string& person);

    const Clock& clock_;
    std::chrono::seconds idle_;
    std::chrono::seconds longest_;
    mutable std::mutex mutex_;
    Table sessions_;
};

}  // namespace assent::console
