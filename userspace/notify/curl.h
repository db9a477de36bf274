// HTTP and mail by libcurl: one delivery, within limits::notice_timeout. The only place that uses it. Thread: any.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace assent::notify {

struct HttpPost {
    std::string url;
    std::vector<std::string> headers;  // "Name: value"
    std::string body;
    std::filesystem::path ca;  // empty: those that the system trusts
};

// The status of the answer. No redirects are followed. Errc::unavailable: there was no answer.
[[nodiscard]] Result<long> http_post(const HttpPost& request);

struct MailPost {
    std::string host;
    std::uint16_t port = 0;
    enum class Tls : std::uint8_t { starttls, tls, none } tls = Tls::starttls;  // starttls: nothing is sent without it
    std::string user;
    std::string password;
    std::string from;
    std::vector<std::string> to;
    std::string message;  // RFC 5322, with CRLF
    std::filesystem::path ca;
};

// Errc::unavailable: it was not taken, and may be later; Errc::invalid: the server refuses it for good.
[[nodiscard]] Result<> send_mail(const MailPost& mail);

}  // namespace assent::notify
