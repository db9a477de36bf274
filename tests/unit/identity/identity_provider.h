// A provider on loopback that publishes the keys it is given, and a clock that tests move.
#pragma once

#include <httplib.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "identity/keys.h"
#include "identity/provider.h"
#include "support/token_maker.h"

namespace assent::support {

class MovedClock final : public Clock {
public:
    [[nodiscard]] Moment now() const override { return Moment(std::chrono::hours(1000)) + moved_.load(); }
    [[nodiscard]] WallTime wall() const override {
        return WallTime(std::chrono::seconds(1'800'000'000)) + std::chrono::duration_cast<WallTime::duration>(moved_.load());
    }
    void move(Duration by) { moved_ = moved_.load() + by; }

private:
    std::atomic<Duration> moved_{};
};

class LocalProvider {
public:
    explicit LocalProvider(const std::vector<nlohmann::json>& keys) {
        set_keys(keys);
        server_.Get("/.well-known/openid-configuration", [this](const auto&, httplib::Response& response) {
            ++discovery_requests_;
            nlohmann::json document{{"issuer", claimed_issuer_.empty() ? issuer() : claimed_issuer_},
                                    {"jwks_uri", issuer() + "/keys"},
                                    {"token_endpoint", issuer() + "/token"}};
            const std::lock_guard lock(mutex_);
            document.merge_patch(changes_);
            response.set_content(document.dump(), "application/json");
        });
        server_.Get("/keys", [this](const auto&, httplib::Response& response) {
            ++key_requests_;
            const std::lock_guard lock(mutex_);
            if (!cache_control_.empty()) response.set_header("Cache-Control", cache_control_);
            response.set_content(key_set_, "application/json");
        });
        server_.Post("/token", [](const httplib::Request& request, httplib::Response& response) {
            nlohmann::json echo{{"authorization", request.get_header_value("Authorization")}};
            for (const auto& [name, value] : request.params) echo["form"][name] = value;
            response.status = request.has_param("fails") ? 400 : 200;
            response.set_content(request.has_param("text") ? "no JSON" : echo.dump(), "application/json");
        });
        server_.Get(".*", [this](const auto&, httplib::Response& response) {
            ++other_requests_;
            response.status = 404;
        });
        port_ = server_.bind_to_any_port("127.0.0.1");
        start();
        remake();
    }
    ~LocalProvider() { stop(); }
    LocalProvider(const LocalProvider&) = delete;
    LocalProvider& operator=(const LocalProvider&) = delete;

    void set_keys(const std::vector<nlohmann::json>& keys) { set_key_text(nlohmann::json{{"keys", keys}}.dump()); }
    void set_key_text(std::string text) {
        const std::lock_guard lock(mutex_);
        key_set_ = std::move(text);
    }
    void set_cache_control(std::string text) {
        const std::lock_guard lock(mutex_);
        cache_control_ = std::move(text);
    }
    // Of the discovery document.
    void change(nlohmann::json changes) {
        const std::lock_guard lock(mutex_);
        changes_ = std::move(changes);
    }
    void claim_issuer(std::string issuer) { claimed_issuer_ = std::move(issuer); }
    void stop() {
        server_.stop();
        if (thread_.joinable()) thread_.join();
    }
    // A new client of it, which knows nothing.
    void remake() { provider_ = std::move(*identity::Provider::make({issuer(), {}}, clock_)); }

    [[nodiscard]] std::string issuer() const { return "http://127.0.0.1:" + std::to_string(port_); }
    [[nodiscard]] identity::Provider& operator*() const { return *provider_; }
    [[nodiscard]] Result<identity::Claims> verify(const std::string& token,
                                                  const identity::Expected& expected = {.audience = "assent"}) const {
        return provider_->verify(token, expected, clock_.wall());
    }
    [[nodiscard]] std::int64_t seconds() const {
        return std::chrono::duration_cast<std::chrono::seconds>(clock_.wall().time_since_epoch()).count();
    }
    [[nodiscard]] MovedClock& clock() { return clock_; }
    [[nodiscard]] int key_requests() const { return key_requests_; }
    [[nodiscard]] int other_requests() const { return other_requests_; }

private:
    void start() {
        thread_ = std::thread([this] { server_.listen_after_bind(); });
        while (!server_.is_running()) std::this_thread::yield();
    }

    MovedClock clock_;
    httplib::Server server_;
    int port_ = 0;
    std::thread thread_;
    std::mutex mutex_;
    std::string key_set_;
    std::string cache_control_;
    std::string claimed_issuer_;
    nlohmann::json changes_ = nlohmann::json::object();
    std::atomic<int> discovery_requests_ = 0;
    std::atomic<int> key_requests_ = 0;
    std::atomic<int> other_requests_ = 0;
    std::unique_ptr<identity::Provider> provider_;
};

}  // namespace assent::support
