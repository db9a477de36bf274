#include <ctime>

#include <fmt/format.h>

#include "notify/channel.h"
#include "notify/curl.h"

namespace assent::notify {
namespace {

// Another try may go better: it was too early, too often, or the other side's own fault.
bool may_pass(long status) { return status == 408 || status == 425 || status == 429 || status >= 500; }

class WebhookChannel final : public Channel {
public:
    WebhookChannel(policy::Webhook settings, std::string url, std::string key)
        : settings_(std::move(settings)), name_("webhook " + settings_.name), url_(std::move(url)), key_(std::move(key)) {}

    [[nodiscard]] const std::string& name() const noexcept override { return name_; }
    [[nodiscard]] bool wants(const Notice& notice) const override { return is_wanted(notice, settings_.events); }
    [[nodiscard]] Result<> deliver(const Notice& notice) override {
        HttpPost request;
        request.url = url_;
        request.body = webhook_body(notice, settings_.form, settings_.shows_text);
        request.ca = settings_.ca;
        request.headers = {"Content-Type: application/json", "Assent-Notice: " + notice.id, "Expect:"};
        if (!key_.empty())
            request.headers.push_back("Assent-Signature: " + signature(key_, std::time(nullptr), request.body));
        const auto status = http_post(request);
        if (!status) return std::unexpected(status.error());
        if (*status >= 200 && *status < 300) return {};
        return fail(may_pass(*status) ? Errc::unavailable : Errc::invalid, fmt::format("it answered {}", *status));
    }

private:
    policy::Webhook settings_;
    std::string name_;
    std::string url_;
    std::string key_;
};

}  // namespace

std::unique_ptr<Channel> make_webhook(policy::Webhook settings, std::string url, std::string key) {
    return std::make_unique<WebhookChannel>(std::move(settings), std::move(url), std::move(key));
}

}  // namespace assent::notify
