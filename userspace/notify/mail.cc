#include <unistd.h>

#include <array>
#include <ctime>

#include "notify/channel.h"
#include "notify/curl.h"

namespace assent::notify {
namespace {

// RFC 5322, in UTC; never in the words of this host's language.
std::string mail_date() {
    constexpr std::array<const char*, 7> days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<const char*, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::array<char, 64> text{};
    std::strftime(text.data(), text.size(), " %Y %H:%M:%S +0000", &parts);
    return std::string(days.at(static_cast<std::size_t>(parts.tm_wday))) + ", " + std::to_string(parts.tm_mday) + " " +
           months.at(static_cast<std::size_t>(parts.tm_mon)) + text.data();
}

std::string host_name() {
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0 || name.front() == '\0') return "localhost";
    return name.data();
}

class MailChannel final : public Channel {
public:
    MailChannel(policy::MailNotices settings, std::string password)
        : settings_(std::move(settings)), name_("mail " + settings_.host), password_(std::move(password)) {}

    [[nodiscard]] const std::string& name() const noexcept override { return name_; }
    [[nodiscard]] bool wants(const Notice& notice) const override { return is_wanted(notice, settings_.events); }
    [[nodiscard]] Result<> deliver(const Notice& notice) override {
        MailPost mail;
        mail.host = settings_.host;
        mail.port = settings_.port;
        using Tls = policy::MailNotices::Tls;
        mail.tls = settings_.tls == Tls::tls        ? MailPost::Tls::tls
                   : settings_.tls == Tls::starttls ? MailPost::Tls::starttls
                                                    : MailPost::Tls::none;
        mail.user = settings_.user;
        mail.password = password_;
        mail.from = settings_.from;
        mail.to = settings_.to;
        mail.ca = settings_.ca;
        mail.message = mail_message(notice, settings_, host_name(), mail_date());
        return send_mail(mail);
    }

private:
    policy::MailNotices settings_;
    std::string name_;
    std::string password_;
};

}  // namespace

std::unique_ptr<Channel> make_mail(policy::MailNotices settings, std::string password) {
    return std::make_unique<MailChannel>(std::move(settings), std::move(password));
}

}  // namespace assent::notify
