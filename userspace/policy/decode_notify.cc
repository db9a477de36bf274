#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "policy/decode_console.h"
#include "policy/reader.h"
#include "policy/spelling.h"

namespace assent::policy {
namespace {

struct EventName {
    NoticeEvent event;
    std::string_view name;
};

constexpr std::array<EventName, notice_event_count> event_names = {{{NoticeEvent::opened, "opened"},
                                                                    {NoticeEvent::decided, "decided"},
                                                                    {NoticeEvent::ended, "ended"},
                                                                    {NoticeEvent::escalated, "escalated"},
                                                                    {NoticeEvent::suspended, "suspended"},
                                                                    {NoticeEvent::broke_glass, "broke_glass"}}};

// What people have to act on, or must hear of.
std::vector<NoticeEvent> usual_events() {
    return {NoticeEvent::opened, NoticeEvent::escalated, NoticeEvent::suspended, NoticeEvent::broke_glass};
}

std::vector<NoticeEvent> decode_events(MapReader& map, Reporter& report) {
    const YamlNode* node = map.optional("events");
    if (node == nullptr) return usual_events();
    std::vector<NoticeEvent> events;
    for (const auto& placed : read_texts(*node, "'events'", report)) {
        const auto* const found = std::ranges::find(event_names, placed.text, &EventName::name);
        if (found == event_names.end()) {
            std::vector<std::string> known;
            for (const auto& each : event_names) known.emplace_back(each.name);
            report.mistake(placed.at, fmt::format("'{}' is no event of notices{}", shown_text(placed.text),
                                                  suggestion(placed.text, known)));
            continue;
        }
        events.push_back(found->event);
    }
    return events;
}

bool decode_flag(MapReader& map, std::string_view key, Reporter& report) {
    const YamlNode* node = map.optional(key);
    return node != nullptr && read_choice(*node, fmt::format("'{}'", key), {"false", "true"}, report) == 1U;
}

// {file: PATH}: secrets stand in files of their own.
std::filesystem::path decode_secret(MapReader& map, std::string_view key, Reporter& report) {
    const YamlNode* node = map.optional(key);
    if (node == nullptr) return {};
    MapReader inner(*node, fmt::format("'{}'", key), report);
    std::filesystem::path out;
    if (const YamlNode* file = inner.required("file")) out = read_path(*file, "'file'", report).value_or("");
    inner.finish();
    return out;
}

void decode_url(MapReader& map, TextOrFile& out, Reporter& report) {
    const YamlNode* node = map.required("url");
    if (node == nullptr) return;
    if (node->kind == YamlNode::Kind::map) {
        out.file = decode_secret(map, "url", report);
        return;
    }
    out.text = read_text(*node, "'url'", report).value_or("");
    const bool is_here = out.text.starts_with("http://127.0.0.1:") || out.text.starts_with("http://[::1]:") ||
                         out.text.starts_with("http://localhost:");
    if (!out.text.starts_with("https://") && !is_here)
        report.mistake(node->at,
                       fmt::format("'{}' is not an https:// URL, nor an http:// one of this host", shown_text(out.text)));
}

void decode_ca(MapReader& map, std::filesystem::path& out, Reporter& report) {
    if (const YamlNode* ca = map.optional("ca")) out = read_path(*ca, "'ca'", report).value_or("");
}

Webhook decode_webhook(const YamlNode& node, Reporter& report) {
    MapReader map(node, "a webhook", report);
    Webhook hook;
    if (const YamlNode* name = map.required("name")) {
        hook.name = read_text(*name, "'name'", report).value_or("");
        if (!hook.name.empty()) (void)check_name(hook.name, name->at, "the name of a webhook", report);
    }
    decode_url(map, hook.url, report);
    hook.secret = decode_secret(map, "secret", report);
    if (const YamlNode* form = map.optional("form")) {
        const auto choice = read_choice(*form, "'form'", {"json", "slack", "teams"}, report);
        hook.form = static_cast<Webhook::Form>(choice.value_or(0));
    }
    hook.events = decode_events(map, report);
    hook.shows_text = decode_flag(map, "text", report);
    decode_ca(map, hook.ca, report);
    map.finish();
    return hook;
}

void decode_webhooks(const YamlNode& node, NotifySettings& notify, Reporter& report) {
    if (node.kind != YamlNode::Kind::list || node.items.empty())
        report.mistake(node.at, "'webhooks' has to be a list of {name, url, …}");
    for (const auto& item : node.items) {
        auto hook = decode_webhook(item, report);
        if (std::ranges::find(notify.webhooks, hook.name, &Webhook::name) != notify.webhooks.end())
            report.mistake(item.at, fmt::format("two webhooks are named '{}'", shown_text(hook.name)));
        notify.webhooks.push_back(std::move(hook));
    }
    if (notify.webhooks.size() > limits::notice_channels)
        report.mistake(node.at, fmt::format("'webhooks' may name {} at most", limits::notice_channels));
}

void decode_server(const YamlNode& node, MailNotices& mail, Reporter& report) {
    const auto text = read_text(node, "'server'", report).value_or("");
    const auto colon = text.rfind(':');
    mail.host = text.substr(0, colon);
    bool is_right = !mail.host.empty() && mail.host.find_first_of("/@ \\?#") == std::string::npos;
    if (colon != std::string::npos) {
        mail.port = 0;
        (void)std::from_chars(text.data() + colon + 1, text.data() + text.size(), mail.port);
        is_right = is_right && mail.port != 0 && std::to_string(mail.port) == text.substr(colon + 1);
    }
    if (!is_right) report.mistake(node.at, fmt::format("'{}' is not HOST or HOST:PORT", shown_text(text)));
}

// What stands between < and > of an envelope, and in a header.
bool is_mail_address(std::string_view text) {
    const auto at = text.find('@');
    return at != std::string_view::npos && at > 0 && at + 1 < text.size() && text.size() < 255 &&
           std::ranges::all_of(text,
                               [](char c) { return c > ' ' && c < 0x7F && c != '<' && c != '>' && c != ',' && c != '"'; });
}

void decode_mail(const YamlNode& node, MailNotices& mail, Reporter& report) {
    MapReader map(node, "'mail'", report);
    if (const YamlNode* tls = map.optional("tls")) {
        const auto choice = read_choice(*tls, "'tls'", {"starttls", "tls", "none"}, report);
        mail.tls = static_cast<MailNotices::Tls>(choice.value_or(0));
        mail.port = mail.tls == MailNotices::Tls::tls ? 465 : mail.tls == MailNotices::Tls::none ? 25 : 587;
    }
    if (const YamlNode* server = map.required("server")) decode_server(*server, mail, report);
    const auto check = [&](const std::string& address, Position at) {
        if (!is_mail_address(address)) report.mistake(at, fmt::format("'{}' is not a mail address", shown_text(address)));
    };
    if (const YamlNode* from = map.required("from")) {
        mail.from = read_text(*from, "'from'", report).value_or("");
        check(mail.from, from->at);
    }
    if (const YamlNode* to = map.required("to")) {
        const auto placed = read_texts(*to, "'to'", report);
        for (const auto& each : placed) check(each.text, each.at);
        mail.to = plain_texts(placed);
        if (mail.to.size() > limits::notice_recipients)
            report.mistake(to->at, fmt::format("'to' may name {} at most", limits::notice_recipients));
    }
    if (const YamlNode* user = map.optional("user")) mail.user = read_text(*user, "'user'", report).value_or("");
    mail.password = decode_secret(map, "password", report);
    if (mail.user.empty() != mail.password.empty()) report.mistake(node.at, "'user' and 'password' of 'mail' go together");
    if (!mail.user.empty() && mail.tls == MailNotices::Tls::none)
        report.mistake(node.at, "a password is not sent without TLS: 'tls' is starttls or tls");
    mail.events = decode_events(map, report);
    mail.shows_text = decode_flag(map, "text", report);
    decode_ca(map, mail.ca, report);
    map.finish();
}

}  // namespace

std::string_view name_of(NoticeEvent event) noexcept {
    const auto* const found = std::ranges::find(event_names, event, &EventName::event);
    return found == event_names.end() ? "unknown" : found->name;
}

void decode_notify(const YamlNode& node, NotifySettings& notify, Reporter& report) {
    MapReader map(node, "'notify'", report);
    notify.is_wanted = true;
    if (const YamlNode* user = map.optional("user")) notify.user = read_text(*user, "'user'", report).value_or("");
    if (const YamlNode* webhooks = map.optional("webhooks")) decode_webhooks(*webhooks, notify, report);
    if (const YamlNode* mail = map.optional("mail")) decode_mail(*mail, notify.mail, report);
    if (const YamlNode* exec = map.optional("exec")) notify.exec = read_path(*exec, "'exec'", report).value_or("");
    map.finish();
    if (map.is_map() && notify.webhooks.empty() && notify.mail.host.empty() && notify.exec.empty())
        report.mistake(node.at, "'notify' names no webhooks, mail or exec, so nobody would be told");
}

}  // namespace assent::policy
