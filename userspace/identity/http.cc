#include "identity/http.h"

#include <httplib.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "base/limits.h"

namespace assent::identity {
namespace {

// The client's own timeouts are for each read: a server that sends a byte now and then would never meet them.
class Watchdog {
public:
    explicit Watchdog(httplib::Client& client)
        : thread_([this, &client] {
              std::unique_lock lock(mutex_);
              if (!is_done_changed_.wait_for(lock, limits::provider_timeout, [this] { return is_done_; })) {
                  has_fired_ = true;
                  lock.unlock();
                  client.stop();
              }
          }) {}
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;
    ~Watchdog() { (void)end(); }

    // True: it has stopped the client.
    bool end() {
        {
            const std::lock_guard lock(mutex_);
            is_done_ = true;
        }
        is_done_changed_.notify_one();
        if (thread_.joinable()) thread_.join();
        return has_fired_;
    }

private:
    std::mutex mutex_;
    std::condition_variable is_done_changed_;
    bool is_done_ = false;
    bool has_fired_ = false;
    std::thread thread_;
};

std::string why_failed(httplib::Error error) {
    switch (error) {
        case httplib::Error::Connection:
        case httplib::Error::ConnectionTimeout:
            return "it does not answer";
        case httplib::Error::SSLServerVerification:
            return "its certificate is not trusted (`ca` names another authority)";
        case httplib::Error::SSLLoadingCerts:
            return "the authority's certificates cannot be read (`ca`)";
        case httplib::Error::SSLConnection:
            return "TLS with it failed";
        default:
            return "the connection to it broke";
    }
}

Result<HttpAnswer> send(const Url& url, httplib::Request request, const std::filesystem::path& ca) {
    httplib::Client client(url.origin());
    if (!client.is_valid()) return fail(Errc::unavailable, fmt::format("{} cannot be asked", url.origin()));
    client.set_connection_timeout(limits::provider_connect_timeout);
    client.set_read_timeout(limits::provider_timeout);
    client.set_write_timeout(limits::provider_timeout);
    client.set_follow_location(false);
    client.set_keep_alive(false);
    client.set_decompress(false);
    if (url.is_https) {
        client.enable_server_certificate_verification(true);
        if (!ca.empty()) client.set_ca_cert_path(ca.string());
    }
    HttpAnswer answer;
    bool is_too_large = false;
    request.set_header("Accept", "application/json");
    request.set_header("Accept-Encoding", "identity");
    request.content_receiver = [&](const char* bytes, std::size_t size, std::uint64_t, std::uint64_t) {
        is_too_large = is_too_large || size > limits::provider_answer - answer.body.size();
        if (!is_too_large) answer.body.append(bytes, size);
        return !is_too_large;
    };
    Watchdog watchdog(client);
    const auto result = client.send(request);
    const bool is_too_slow = watchdog.end();
    if (is_too_large)
        return fail(Errc::limit, fmt::format("{} answered more than {} bytes", url.origin(), limits::provider_answer));
    if (!result) {
        return fail(Errc::unavailable,
                    fmt::format("{}: {}", url.origin(), is_too_slow ? "it is too slow" : why_failed(result.error())));
    }
    answer.status = result->status;
    answer.cache_control = result->get_header_value("Cache-Control");
    return answer;
}

// The library throws where a thread or memory cannot be had.
Result<HttpAnswer> send_guarded(const Url& url, httplib::Request request, const std::filesystem::path& ca) {
    try {
        return send(url, std::move(request), ca);
    } catch (const std::exception& error) {
        return fail(Errc::unavailable, fmt::format("{}: {}", url.origin(), error.what()));
    }
}

}  // namespace

Result<HttpAnswer> http_get(const Url& url, const std::filesystem::path& ca) {
    httplib::Request request;
    request.method = "GET";
    request.path = url.path;
    return send_guarded(url, std::move(request), ca);
}

Result<HttpAnswer> http_post(const Url& url, const HttpForm& form, const std::filesystem::path& ca) {
    httplib::Request request;
    request.method = "POST";
    request.path = url.path;
    request.body = form.body;
    request.set_header("Content-Type", "application/x-www-form-urlencoded");
    if (!form.authorization.empty()) request.set_header("Authorization", form.authorization);
    return send_guarded(url, std::move(request), ca);
}

}  // namespace assent::identity
