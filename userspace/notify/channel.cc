#include "notify/channel.h"

#include <fmt/format.h>

#include "secrets/secret.h"

namespace assent::notify {
namespace {

// A file of one line.
Result<std::string> line_of(const std::filesystem::path& file) {
    auto text = secrets::read_secret(file);
    if (!text) return fail(Errc::invalid, fmt::format("{}: {}", file.string(), text.error().message));
    return text;
}

}  // namespace

Result<std::vector<std::unique_ptr<Channel>>> channels_of(const policy::NotifySettings& settings) {
    std::vector<std::unique_ptr<Channel>> channels;
    for (const auto& hook : settings.webhooks) {
        auto url = hook.url.file.empty() ? Result<std::string>(hook.url.text) : line_of(hook.url.file);
        if (!url) return std::unexpected(std::move(url.error()));
        auto key = hook.secret.empty() ? Result<std::string>("") : line_of(hook.secret);
        if (!key) return std::unexpected(std::move(key.error()));
        channels.push_back(make_webhook(hook, std::move(*url), std::move(*key)));
    }
    if (!settings.mail.host.empty()) {
        auto password = settings.mail.password.empty() ? Result<std::string>("") : line_of(settings.mail.password);
        if (!password) return std::unexpected(std::move(password.error()));
        channels.push_back(make_mail(settings.mail, std::move(*password)));
    }
    if (!settings.exec.empty()) channels.push_back(make_exec(settings.exec));
    return channels;
}

}  // namespace assent::notify
