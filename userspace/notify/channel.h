// Where notices go: webhooks, mail, a program. Thread: one at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "notify/notice.h"
#include "policy/settings.h"

namespace assent::notify {

class Channel {
public:
    virtual ~Channel() = default;
    [[nodiscard]] virtual const std::string& name() const noexcept = 0;
    [[nodiscard]] virtual bool wants(const Notice& notice) const = 0;
    // Within limits::notice_timeout. Errc::unavailable: trying again may help; Errc::invalid: it will not.
    [[nodiscard]] virtual Result<> deliver(const Notice& notice) = 0;
};

// All that the settings name; reads their secrets. Errc::invalid: a file of theirs cannot be read.
[[nodiscard]] Result<std::vector<std::unique_ptr<Channel>>> channels_of(const policy::NotifySettings& settings);

// One of each kind; secrets are given.
[[nodiscard]] std::unique_ptr<Channel> make_webhook(policy::Webhook settings, std::string url, std::string key);
[[nodiscard]] std::unique_ptr<Channel> make_mail(policy::MailNotices settings, std::string password);
[[nodiscard]] std::unique_ptr<Channel> make_exec(std::filesystem::path program);

}  // namespace assent::notify
