// The settings of the console, and of the notices that tell people of holds.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace assent::policy {

struct ConsoleSettings {
    bool is_wanted = false;  // the settings name it
    std::string address = "127.0.0.1";
    std::uint16_t port = 7443;
    std::string public_url;             // "https://assent.example.com:7443", without a slash at its end
    std::filesystem::path certificate;  // PEM, the whole chain; empty: the console makes one
    std::filesystem::path key;          // PEM; empty when the certificate is
    std::string user = "assent-console";
    std::chrono::seconds idle{30 * 60};          // a session that nothing was asked in ends
    std::chrono::seconds longest{12 * 60 * 60};  // and any after this, or when its token expires
};

// What notices may tell of.
enum class NoticeEvent : std::uint8_t { opened, decided, ended, escalated, suspended, broke_glass };
inline constexpr std::size_t notice_event_count = 6;
[[nodiscard]] std::string_view name_of(NoticeEvent event) noexcept;

// A text as it is in the settings, or the first line of a file that the notifier can read.
struct TextOrFile {
    std::string text;
    std::filesystem::path file;
};

struct Webhook {
    std::string name;
    TextOrFile url;                // https, or http to this host
    std::filesystem::path secret;  // file of the key of signatures; empty: not signed
    enum class Form : std::uint8_t { json, slack, teams } form = Form::json;
    std::vector<NoticeEvent> events;
    bool shows_text = false;   // the command itself, not only whose it is and what it touches
    std::filesystem::path ca;  // empty: those that the system trusts
};

struct MailNotices {
    std::string host;  // empty: no mail
    std::uint16_t port = 587;
    enum class Tls : std::uint8_t { starttls, tls, none } tls = Tls::starttls;
    std::string from;
    std::vector<std::string> to;
    std::string user;  // empty: not authenticated
    std::filesystem::path password;
    std::vector<NoticeEvent> events;
    bool shows_text = false;
    std::filesystem::path ca;
};

struct NotifySettings {
    bool is_wanted = false;  // the settings name it
    std::string user = "assent-notify";
    std::vector<Webhook> webhooks;
    MailNotices mail;
    std::filesystem::path exec;  // empty: none
};

}  // namespace assent::policy
