// One piece of news, and how it is written for those who get it. What agents wrote is data in each form: it cannot make a
// link, mention anybody, or look like a word of assent's own.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "policy/console_settings.h"

namespace assent::notify {

struct Notice {
    std::string id;        // random, the same for every attempt to deliver it
    nlohmann::json about;  // as app/notices.h says: {event, time, hold: {…}}
    std::string link;      // to the hold; empty without a console
};

// Empty when it is not one that settings can name.
[[nodiscard]] std::string event_of(const Notice& notice);
[[nodiscard]] bool is_wanted(const Notice& notice, const std::vector<policy::NoticeEvent>& events);

// "A command of nightly for shop-db waits (h-7k2mq4)", one line, of assent's words and escaped names.
[[nodiscard]] std::string headline(const Notice& notice);

// The body of a webhook's request: JSON in each form.
[[nodiscard]] std::string webhook_body(const Notice& notice, policy::Webhook::Form form, bool shows_text);
// Plain text.
[[nodiscard]] std::string mail_text(const Notice& notice, bool shows_text);
// A whole message (RFC 5322), with CRLF. `host` is for its id; `date` in the form of RFC 5322.
[[nodiscard]] std::string mail_message(const Notice& notice, const policy::MailNotices& mail, std::string_view host,
                                       std::string_view date);

// Text that Slack shows as it is: &, < and > escaped, and what would format it kept from doing so. What would be more than
// `most` bytes so is cut, and ends with "…".
[[nodiscard]] std::string slack_text(std::string_view text, std::size_t most = std::string_view::npos);
// Text that a card of Teams shows as it is: what Markdown would take is escaped.
[[nodiscard]] std::string teams_text(std::string_view text, std::size_t most = std::string_view::npos);

// "t=1764000000,v1=HEX": HMAC-SHA-256 over "1764000000.BODY".
[[nodiscard]] std::string signature(std::string_view key, std::int64_t unix_seconds, std::string_view body);

}  // namespace assent::notify
