// Who is signed in: in memory only, so that a restart signs everybody out. The browser has a random id, and this side only
// its hash. Thread: any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/time.h"

namespace assent::console {

// What a provider gave for a person, and how to get it anew.
struct Login {
    std::string token;  // the ID token, for the daemon
    WallTime expires;
    WallTime renews;            // when it should be renewed; before it expires
    std::string refresh_token;  // empty: it cannot be renewed
    std::string nonce;          // of the sign-in
    std::size_t provider = 0;   // of the settings
};

struct Session {
    Login login;
    std::string person;  // issuer and subject, for counting
    std::string csrf;    // has to come with everything that changes something
    WallTime ends;       // the longest time of a session is over, or its token can no more be renewed
};

// 256 random bits in hexadecimal.
[[nodiscard]] std::string random_id();

class Sessions {
public:
    Sessions(const Clock& clock, std::chrono::seconds idle, std::chrono::seconds longest)
        : clock_(clock), idle_(idle), longest_(longest) {}

    // The id for the cookie; always a new one. When there are too many of the person, or of all, the one that was unused for
    // the longest time ends.
    [[nodiscard]] std::string open(Login login, std::string person);
    // The session, which counts as used now. Nothing: there is none, or it has ended.
    [[nodiscard]] std::optional<Session> use(std::string_view id);
    // The session, without using it: asked for by the application itself, and not by the person.
    [[nodiscard]] std::optional<Session> look(std::string_view id);
    // Whether the caller should renew its login now: it is due, nobody else is at it, and the provider was not asked just
    // before. Then end_renewal() has to follow.
    [[nodiscard]] bool begin_renewal(std::string_view id);
    // It goes on with this login, as long as it would have lasted. False: it has ended meanwhile.
    [[nodiscard]] bool end_renewal(std::string_view id, Login login, bool is_renewed);
    // The session, once nobody renews it, or when that takes too long.
    [[nodiscard]] std::optional<Session> await_renewal(std::string_view id);
    // Whether it is open, without using it.
    [[nodiscard]] bool is_open(std::string_view id);
    void end(std::string_view id);
    [[nodiscard]] std::size_t count() const;

private:
    struct Known {
        Session session;
        Moment used;
        Moment renews_again;  // not before
        bool is_renewing = false;
    };
    using Table = std::map<Digest, Known>;
    [[nodiscard]] Table::iterator find(std::string_view id);
    [[nodiscard]] bool is_over(const Known& known) const;
    void make_room(const std::string& person);

    const Clock& clock_;
    std::chrono::seconds idle_;
    std::chrono::seconds longest_;
    mutable std::mutex mutex_;
    std::condition_variable renewed_;
    Table sessions_;
};

}  // namespace assent::console
