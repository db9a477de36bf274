// The control socket: newline-delimited JSON requests {"verb": "holds", …} and answers, on a unix socket whose peer is known
// (SO_PEERCRED, login uid, cgroup). One thread a client, at most limits::control_clients.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "approve/desk.h"
#include "base/fd.h"
#include "base/result.h"

namespace assent::control {

struct Peer {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    std::uint64_t cgroup_id = 0;
    std::string cgroup_path;
    approve::Person person;
};

// Sends one line of an answer that has many (watching). False: the peer is gone or the server stops: return soon. A null
// value sends nothing and only tells; whoever waits calls it every emit_every.
using Emit = std::function<bool(const nlohmann::json&)>;
inline constexpr std::chrono::milliseconds emit_every(1000);
// Makes a person of the token that a request carries ("token": a signed JWT); gives name, groups, issuer and subject. An
// error is the answer to the request. Thread: any.
using IdentifyByToken = std::function<Result<approve::Person>(std::string_view token)>;
// Whether the peer may ask this verb at all; an error is the answer to the request. Thread: any.
using Authorize = std::function<Result<>(const Peer&, std::string_view verb)>;
// Gives the last (or only) line of the answer. Runs on the client's thread. Texts in it have to be UTF-8 (shown_text).
using Handler = std::function<Result<nlohmann::json>(const Peer&, const nlohmann::json& request, const Emit& emit)>;

class Server {
public:
    virtual ~Server() = default;
    // Listens at `socket` (mode 0666 in a folder of mode 0755: every verb checks its peer itself). `is_governed` tells
    // whether a cgroup id is, so that agents are known. `inherited`: a socket that listens there already, from release().
    // Errc::unavailable: another daemon listens there.
    [[nodiscard]] static Result<std::unique_ptr<Server>> open(const std::filesystem::path& socket,
                                                              std::function<bool(std::uint64_t cgroup_id)> is_governed,
                                                              Fd inherited = {});
    // Before start(). Each verb once: a second handler of a verb replaces the first.
    virtual void handle(std::string verb, Handler handler) = 0;
    // Before start(). Without it requests with a token are refused. Handlers never see the token, and see a peer whose
    // person is the token's, with the uids and is_governed of the peer's process.
    virtual void identify_by(IdentifyByToken identify) = 0;
    // Before start(). Asked before each handler.
    virtual void authorize_by(Authorize authorize) = 0;
    // Before start(). Clients of this user have `clients` connections of their own, whatever others take.
    virtual void reserve_for(uid_t uid, std::size_t clients) = 0;
    virtual void start() = 0;
    // Wakes every client's thread, waits for their handlers, removes the socket. Idempotent; the destructor does it too.
    virtual void stop() = 0;
    // stop(), but clients that connect wait in the socket, which is the caller's now. Before stop().
    [[nodiscard]] virtual Fd release() = 0;
};

}  // namespace assent::control
