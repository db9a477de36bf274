#include "control/server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <list>
#include <map>
#include <thread>

#include "base/limits.h"
#include "control/line_reader.h"
#include "control/peer.h"
#include "control/protocol.h"
#include "control/unix_socket.h"

namespace assent::control {
namespace {

using nlohmann::json;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr auto idle_timeout = duration_cast<milliseconds>(limits::control_idle_timeout);
constexpr auto transfer_timeout = duration_cast<milliseconds>(limits::control_transfer_timeout);
constexpr int listen_backlog = 128;

struct Client {
    Fd socket;
    uid_t uid = 0;
    std::atomic<bool> is_over = false;
    std::thread thread;
};

class UnixServer final : public Server {
public:
    UnixServer(Fd listener, Fd waker, std::filesystem::path path, std::function<bool(std::uint64_t)> is_governed)
        : listener_(std::move(listener)),
          waker_(std::move(waker)),
          path_(std::move(path)),
          is_governed_(std::move(is_governed)) {}
    ~UnixServer() override { UnixServer::stop(); }
    UnixServer(const UnixServer&) = delete;
    UnixServer& operator=(const UnixServer&) = delete;

    void handle(std::string verb, Handler handler) override { handlers_[std::move(verb)] = std::move(handler); }
    void identify_by(IdentifyByToken identify) override { identify_ = std::move(identify); }
    void authorize_by(Authorize authorize) override { authorize_ = std::move(authorize); }
    void reserve_for(uid_t uid, std::size_t clients) override { reserved_[uid] = clients; }
    void start() override {
        acceptor_ = std::thread([this] { accept_clients(); });
    }
    void stop() override;
    Fd release() override;

private:
    void accept_clients();
    void take(Fd socket);
    void forget_finished();
    [[nodiscard]] Result<> has_room_for(uid_t uid) const;

    // On the client's thread.
    void serve(int descriptor) const;
    // False: the connection ends.
    [[nodiscard]] bool answer_one(int descriptor, const Peer& peer, LineReader& lines) const;
    [[nodiscard]] Result<json> run_handler(int descriptor, const Peer& peer, const json& request) const;
    // The peer with the person whose token the request carries.
    [[nodiscard]] Result<Peer> with_token(const Peer& peer, const json& token) const;
    [[nodiscard]] bool is_there(int descriptor) const;

    Fd listener_;
    Fd waker_;
    std::filesystem::path path_;
    std::function<bool(std::uint64_t)> is_governed_;
    std::map<std::string, Handler, std::less<>> handlers_;  // not changed after start()
    IdentifyByToken identify_;                              // nor these
    Authorize authorize_;
    std::map<uid_t, std::size_t> reserved_;
    std::atomic<bool> is_stopping_ = false;
    bool is_released_ = false;
    std::thread acceptor_;
    std::list<Client> clients_;  // the acceptor's, until it has been joined
};

[[nodiscard]] bool send_last(int descriptor, const Result<json>& result) {
    const std::string line = line_of(last_message(result));
    if (line.size() > limits::control_message) {
        return send_last(descriptor, fail(Errc::limit, "the answer is larger than the control socket takes; ask for less"));
    }
    return send_all(descriptor, line, transfer_timeout).has_value();
}

void UnixServer::stop() {
    is_stopping_ = true;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(waker_.get(), &one, sizeof one);
    if (acceptor_.joinable()) acceptor_.join();
    for (Client& client : clients_) ::shutdown(client.socket.get(), SHUT_RDWR);
    for (Client& client : clients_) client.thread.join();
    clients_.clear();
    if (is_released_) return;
    if (listener_.is_open()) ::unlink(path_.c_str());
    listener_.reset();
}

Fd UnixServer::release() {
    is_released_ = true;
    UnixServer::stop();
    return std::move(listener_);
}

void UnixServer::accept_clients() {
    while (!is_stopping_) {
        std::array<pollfd, 2> waiting{{{listener_.get(), POLLIN, 0}, {waker_.get(), POLLIN, 0}}};
        // Wakes now and then by itself, so that the threads of clients that have gone are not kept.
        constexpr int tidy_every_ms = 5000;
        const int ready = ::poll(waiting.data(), waiting.size(), tidy_every_ms);
        forget_finished();
        if (is_stopping_ || ready <= 0 || waiting[0].revents == 0) continue;
        Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (socket.is_open()) {
            take(std::move(socket));
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
            std::this_thread::sleep_for(milliseconds(100));  // the listener stays readable: do not spin
        }
    }
}

void UnixServer::forget_finished() {
    clients_.remove_if([](Client& client) {
        if (!client.is_over) return false;
        client.thread.join();
        return true;
    });
}

Result<> UnixServer::has_room_for(uid_t uid) const {
    const auto of_user = std::ranges::count(clients_, uid, &Client::uid);
    if (const auto own = reserved_.find(uid); own != reserved_.end()) {
        if (static_cast<std::size_t>(of_user) < own->second) return {};
        return fail(Errc::unavailable, "assentd has too many clients of this user; try again later");
    }
    const auto of_others =
        std::ranges::count_if(clients_, [&](const Client& client) { return !reserved_.contains(client.uid); });
    const bool is_too_many = uid != 0 && static_cast<std::size_t>(of_user) >= limits::control_clients_per_user;
    const std::size_t most = limits::control_clients - (uid == 0 ? 0 : limits::control_clients_for_root);
    if (is_too_many || static_cast<std::size_t>(of_others) >= most) {
        return fail(Errc::unavailable, "assentd has too many clients; try again later");
    }
    return {};
}

void UnixServer::take(Fd socket) {
    auto uid = uid_of_peer(socket.get());
    if (!uid) return;
    if (auto room = has_room_for(*uid); !room) {
        // Never waits: a full buffer loses the message, and the client sees the connection end.
        static_cast<void>(
            send_all(socket.get(), line_of(last_message(std::unexpected(room.error()))), milliseconds(0)).has_value());
        return;
    }
    Client& client = clients_.emplace_back();
    client.socket = std::move(socket);
    client.uid = *uid;
    try {
        client.thread = std::thread([this, &client] {
            serve(client.socket.get());
            ::shutdown(client.socket.get(), SHUT_RDWR);
            client.is_over = true;
        });
    } catch (const std::system_error&) {
        clients_.pop_back();  // no thread to be had: the client sees the connection end
    }
}

void UnixServer::serve(int descriptor) const {
    auto peer = identify_peer(descriptor, is_governed_);
    if (!peer) {
        static_cast<void>(send_last(descriptor, std::unexpected(std::move(peer.error()))));
        return;
    }
    LineReader lines(descriptor);
    while (!is_stopping_ && answer_one(descriptor, *peer, lines)) {
    }
}

bool UnixServer::answer_one(int descriptor, const Peer& peer, LineReader& lines) const {
    auto line = lines.next(idle_timeout, transfer_timeout);
    if (!line) {
        if (line.error().code != Errc::not_found)
            static_cast<void>(send_last(descriptor, std::unexpected(std::move(line.error()))));
        return false;
    }
    auto request = parse_line(*line);
    if (!request) {
        static_cast<void>(send_last(descriptor, std::unexpected(std::move(request.error()))));
        return false;
    }
    if (!request->is_object() || !request->contains("token"))
        return send_last(descriptor, run_handler(descriptor, peer, *request));
    auto with_person = with_token(peer, (*request)["token"]);
    if (!with_person) return send_last(descriptor, std::unexpected(std::move(with_person.error())));
    request->erase("token");
    return send_last(descriptor, run_handler(descriptor, *with_person, *request));
}

Result<Peer> UnixServer::with_token(const Peer& peer, const json& token) const {
    if (!identify_)
        return fail(Errc::unsupported, "this assentd knows no identity provider; name one under `identity` in its settings");
    if (!token.is_string()) return fail(Errc::invalid, "the token of a request is a text");
    auto person = identify_(token.get_ref<const std::string&>());
    if (!person) return std::unexpected(std::move(person.error()));
    Peer known = peer;
    known.person.name = std::move(person->name);
    known.person.groups = std::move(person->groups);
    known.person.issuer = std::move(person->issuer);
    known.person.subject = std::move(person->subject);
    known.person.own_uid = person->own_uid;
    known.person.scopes = std::move(person->scopes);
    return known;
}

Result<json> UnixServer::run_handler(int descriptor, const Peer& peer, const json& request) const {
    if (!request.is_object() || !request.contains("verb") || !request["verb"].is_string()) {
        return fail(Errc::invalid, "a request is a JSON object with a \"verb\"");
    }
    const auto handler = handlers_.find(request["verb"].get_ref<const std::string&>());
    if (handler == handlers_.end())
        return fail(Errc::unsupported, "this assentd has no such verb; is it older than assent?");
    if (authorize_) {
        if (auto allowed = authorize_(peer, handler->first); !allowed) return std::unexpected(std::move(allowed.error()));
    }
    const Emit emit = [&](const json& value) {
        if (!is_there(descriptor)) return false;
        return value.is_null() || send_all(descriptor, line_of(next_message(value)), transfer_timeout).has_value();
    };
    try {
        return handler->second(peer, request, emit);
    } catch (const json::exception&) {
        return fail(Errc::invalid, "a member of the request is missing or of the wrong type");
    } catch (const std::exception& error) {
        return fail(Errc::internal, std::string("assentd could not answer: ") + error.what());
    }
}

bool UnixServer::is_there(int descriptor) const {
    if (is_stopping_) return false;
    pollfd waiting{descriptor, POLLRDHUP, 0};
    return ::poll(&waiting, 1, 0) == 0;
}

// A socket file that nobody listens on is what a killed daemon left.
Result<> remove_stale(const std::filesystem::path& path, const sockaddr_un& address) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return {};
    if (!S_ISSOCK(status.st_mode)) return fail(Errc::invalid, path.string() + " is there already and is not a socket");
    const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int connected = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (connected == 0 || errno == EAGAIN) return fail(Errc::unavailable, "another assentd listens at " + path.string());
    if (::unlink(path.c_str()) != 0) return fail_errno("unlink " + path.string(), errno);
    return {};
}

Result<> make_folder(const std::filesystem::path& folder) {
    std::error_code error;
    if (std::filesystem::create_directories(folder, error)) {
        using enum std::filesystem::perms;
        std::filesystem::permissions(folder, owner_all | group_read | group_exec | others_read | others_exec, error);
    }
    if (error) return fail(Errc::io, "make " + folder.string() + ": " + error.message());
    return {};
}

}  // namespace

Result<std::unique_ptr<Server>> Server::open(const std::filesystem::path& socket,
                                             std::function<bool(std::uint64_t cgroup_id)> is_governed, Fd inherited) {
    auto address = unix_address(socket);
    if (!address) return std::unexpected(std::move(address.error()));
    if (auto made = make_folder(socket.parent_path()); !made) return std::unexpected(std::move(made.error()));
    Fd waker(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!waker.is_open()) return fail_errno("eventfd", errno);
    if (inherited.is_open())
        return std::make_unique<UnixServer>(std::move(inherited), std::move(waker), socket, std::move(is_governed));
    if (auto removed = remove_stale(socket, *address); !removed) return std::unexpected(std::move(removed.error()));
    Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener.is_open()) return fail_errno("socket", errno);
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
        return fail_errno("bind " + socket.string(), errno);
    }
    // Everybody may ask; each verb decides whom it answers.
    if (::chmod(socket.c_str(), 0666) != 0) return fail_errno("chmod " + socket.string(), errno);
    if (::listen(listener.get(), listen_backlog) != 0) return fail_errno("listen at " + socket.string(), errno);
    return std::make_unique<UnixServer>(std::move(listener), std::move(waker), socket, std::move(is_governed));
}

}  // namespace assent::control
