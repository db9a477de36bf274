#include "console/http_server.h"

#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/limits.h"

namespace assent::console {
namespace {

// Threads for connections, and a queue that does not grow: what has no room is dropped, which closes it.
class BoundedPool final : public httplib::TaskQueue {
    // void in one release of the library, bool in another: false closes the connection.
    using Enqueued = decltype(std::declval<httplib::TaskQueue&>().enqueue(std::function<void()>()));

public:
    BoundedPool() {
        for (std::size_t i = 0; i < limits::console_connections; ++i) threads_.emplace_back([this] { work(); });
    }
    Enqueued enqueue(std::function<void()> task) override { return static_cast<Enqueued>(put(std::move(task))); }
    void shutdown() override {
        {
            const std::scoped_lock lock(mutex_);
            is_over_ = true;
        }
        changed_.notify_all();
        for (auto& thread : threads_) thread.join();
    }

private:
    bool put(std::function<void()> task) {
        const std::scoped_lock lock(mutex_);
        const bool has_room = tasks_.size() < limits::console_connections_waiting;
        // One release has no other way to have its socket closed than to run the task; that would wait for a request here.
        if (!has_room && !std::is_void_v<Enqueued>) return false;
        tasks_.push_back(std::move(task));
        changed_.notify_one();
        return true;
    }
    void work() {
        while (true) {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return is_over_ || !tasks_.empty(); });
            if (tasks_.empty()) return;
            const auto task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> tasks_;
    bool is_over_ = false;
    std::vector<std::thread> threads_;
};

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

Request request_of(const httplib::Request& from) {
    Request to;
    to.method = from.method;
    to.path = from.path;
    to.body = from.body;
    to.address = from.remote_addr;
    for (const auto& [name, value] : from.params) to.query.try_emplace(name, value);
    for (const auto& [name, value] : from.headers) to.headers.try_emplace(lower(name), value);
    return to;
}

class Server final : public HttpServer {
public:
    Server(const tls::ServerIdentity& identity, std::function<Response(const Request&)> handle)
        : server_([&](SSL_CTX& context) {
              set_up_ = identity.set_up(context, limits::console_received);
              return set_up_.has_value();
          }),
          handle_(std::move(handle)) {}
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() override = default;

    [[nodiscard]] Result<> open(const std::string& address, std::uint16_t port);
    void run() override { (void)server_.listen_after_bind(); }
    void stop() override {
        is_stopping_ = true;
        server_.stop();
    }

private:
    void answer(const httplib::Request& from, httplib::Response& to) const;
    void set_stream(httplib::Response& to, Response response) const;

    Result<> set_up_;
    httplib::SSLServer server_;
    std::function<Response(const Request&)> handle_;
    std::atomic<bool> is_stopping_ = false;
};

void Server::answer(const httplib::Request& from, httplib::Response& to) const {
    // A header that comes twice may be read in two ways.
    for (const char* name : {"Host", "Cookie", "Authorization", "Origin", "Content-Type", "Content-Length"}) {
        if (from.get_header_value_count(name) <= 1) continue;
        to.status = 400;
        return;
    }
    Response response = handle_(request_of(from));
    to.status = response.status;
    for (const auto& [name, value] : response.headers) to.headers.emplace(name, value);
    if (response.stream)
        set_stream(to, std::move(response));
    else
        to.set_content(std::move(response.body), response.type.c_str());
}

void Server::set_stream(httplib::Response& to, Response response) const {
    const std::string type = response.type;
    to.set_header("X-Accel-Buffering", "no");  // a proxy in front must not wait for more
    to.set_chunked_content_provider(type.c_str(),
                                    [this, stream = std::move(response.stream)](std::size_t, httplib::DataSink& sink) {
                                        stream([&](std::string_view part) {
                                            if (is_stopping_) return false;
                                            return part.empty() ? sink.is_writable() : sink.write(part.data(), part.size());
                                        });
                                        sink.done();
                                        return true;
                                    });
}

Result<> Server::open(const std::string& address, std::uint16_t port) {
    if (!set_up_) return set_up_;
    if (!server_.is_valid()) return fail(Errc::internal, "TLS cannot be set up");
    server_.new_task_queue = [] { return new BoundedPool; };  // the library deletes it
    server_.set_payload_max_length(limits::console_body);
    server_.set_read_timeout(limits::console_transfer_timeout);
    server_.set_write_timeout(limits::console_transfer_timeout);
    server_.set_keep_alive_timeout(std::chrono::seconds(limits::console_keep_alive).count());
    server_.set_keep_alive_max_count(1'000);
    server_.set_tcp_nodelay(true);
    server_.set_exception_handler([](const httplib::Request& from, httplib::Response& to, const auto&) {
        spdlog::error("an answer to {} failed", from.path);
        to.status = 500;
    });
    const auto handler = [this](const httplib::Request& from, httplib::Response& to) { answer(from, to); };
    server_.Get(".*", handler).Post(".*", handler);
    if (!server_.bind_to_port(address, port))
        return fail(Errc::unavailable, fmt::format("{}:{} cannot be listened at; is another program there?", address, port));
    return {};
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const std::string& address, std::uint16_t port,
                                                       const tls::ServerIdentity& identity,
                                                       std::function<Response(const Request&)> handle) {
    auto server = std::make_unique<Server>(identity, std::move(handle));
    if (auto opened = server->open(address, port); !opened) return std::unexpected(std::move(opened.error()));
    return server;
}

}  // namespace assent::console
