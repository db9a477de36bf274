#include "notify/notice.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/digest.h"
#include "base/shown_text.h"

namespace assent::notify {
namespace {

using nlohmann::json;

constexpr std::size_t shown_name = 60;      // bytes of an agent or a target in a headline
constexpr std::size_t slack_header = 140;   // Slack refuses a message with a header of more than 150 characters
constexpr std::size_t slack_field = 1'900;  // or a field of more than 2,000
constexpr std::size_t teams_fact = 1'500;   // a card has 28 KiB in all, and a dozen of these

const json& hold_of(const Notice& notice) {
    static const json nothing = json::object();
    const auto found = notice.about.find("hold");
    return found != notice.about.end() && found->is_object() ? *found : nothing;
}

std::string text_of(const json& object, const char* member) {
    const auto found = object.find(member);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string joined(const json& object, const char* member) {
    std::string out;
    const auto found = object.find(member);
    if (found == object.end() || !found->is_array()) return out;
    for (const json& each : *found) {
        if (each.is_string()) out += (out.empty() ? "" : ", ") + each.get<std::string>();
    }
    return out;
}

struct Line {
    std::string_view name;
    std::string value;
};

// What people need to know whether to look at it; escaped for one line, empty ones left out.
std::vector<Line> lines_of(const Notice& notice) {
    const json& hold = hold_of(notice);
    std::string approvals;
    if (const auto found = hold.find("approvals"); found != hold.end() && found->is_array()) {
        for (const json& each : *found) approvals += (approvals.empty() ? "" : ", ") + text_of(each, "name");
    }
    std::vector<Line> lines = {{"Agent", text_of(hold, "agent")},
                               {"Target", text_of(hold, "target")},
                               {"Says", text_of(notice.about, "message")},
                               {"Database", text_of(hold, "database")},
                               {"Would", joined(hold, "effects")},
                               {"Rule", joined(hold, "rules")},
                               {"Approval", approvals},
                               {"Says it is for", text_of(hold, "purpose")},
                               {"State", text_of(hold, "state")},
                               {"Decided by", text_of(hold, "decided_by")},
                               {"By", text_of(notice.about, "by")},
                               {"Until", text_of(hold, "deadline")}};
    for (Line& line : lines) line.value = shown_text(line.value);
    std::erase_if(lines, [](const Line& line) { return line.value.empty(); });
    return lines;
}

std::string command_of(const Notice& notice) {
    const json& hold = hold_of(notice);
    std::string text = shown_text(text_of(hold, "text"), Lines::many);
    if (!text.empty() && !hold.value("is_text_whole", false)) text += " …";
    return text;
}

// `text` by escape(out, char), whole characters and as many as fit into `most` bytes; "…" where that is not all of them.
template <typename Escape>
std::string escaped(std::string_view text, std::size_t most, Escape escape) {
    std::string out;
    std::size_t whole = 0;  // of `out`: before the character that is being written
    for (const char c : text) {
        if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) whole = out.size();
        escape(out, c);
        if (out.size() > most) return out.substr(0, whole) + "…";
    }
    return out;
}

std::string cut(std::string_view text, std::size_t most) {
    return escaped(text, most, [](std::string& out, char c) { out.push_back(c); });
}

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string plain_body(const Notice& notice, bool shows_text) {
    json body = notice.about;
    body["id"] = notice.id;
    if (!notice.link.empty()) body["link"] = notice.link;
    body["headline"] = headline(notice);
    if (!shows_text && body.contains("hold")) body["hold"].erase("text");
    return dump(body);
}

std::string slack_body(const Notice& notice, bool shows_text) {
    json fields = json::array();
    for (const auto& [name, value] : lines_of(notice)) {
        if (fields.size() < 10)  // as many as Slack takes
            fields.push_back({{"type", "mrkdwn"}, {"text", fmt::format("*{}*\n{}", name, slack_text(value, slack_field))}});
    }
    json blocks =
        json::array({{{"type", "header"},
                      {"text", {{"type", "plain_text"}, {"text", cut(headline(notice), slack_header)}, {"emoji", false}}}}});
    if (!fields.empty()) blocks.push_back({{"type", "section"}, {"fields", fields}});
    if (const auto command = command_of(notice); shows_text && !command.empty()) {
        // Preformatted as an element of rich text: nothing in it is ever looked at as formatting.
        const json text{{"type", "text"}, {"text", command}};
        blocks.push_back(
            {{"type", "rich_text"},
             {"elements", json::array({{{"type", "rich_text_preformatted"}, {"elements", json::array({text})}}})}});
    }
    if (!notice.link.empty()) {
        blocks.push_back(
            {{"type", "section"}, {"text", {{"type", "mrkdwn"}, {"text", fmt::format("<{}|Look at it>", notice.link)}}}});
    }
    return dump(
        {{"text", slack_text(headline(notice))}, {"blocks", blocks}, {"unfurl_links", false}, {"unfurl_media", false}});
}

std::string teams_body(const Notice& notice, bool shows_text) {
    json facts = json::array();
    for (const auto& [name, value] : lines_of(notice))
        facts.push_back({{"title", name}, {"value", teams_text(value, teams_fact)}});
    json body =
        json::array({{{"type", "TextBlock"}, {"text", teams_text(headline(notice))}, {"weight", "Bolder"}, {"wrap", true}},
                     {{"type", "FactSet"}, {"facts", facts}}});
    if (const auto command = command_of(notice); shows_text && !command.empty())
        body.push_back({{"type", "TextBlock"}, {"text", teams_text(command)}, {"fontType", "Monospace"}, {"wrap", true}});
    json card{{"$schema", "http://adaptivecards.io/schemas/adaptive-card.json"},
              {"type", "AdaptiveCard"},
              {"version", "1.4"},
              {"body", body}};
    if (!notice.link.empty())
        card["actions"] = json::array({{{"type", "Action.OpenUrl"}, {"title", "Look at it"}, {"url", notice.link}}});
    return dump(
        {{"type", "message"},
         {"attachments", json::array({{{"contentType", "application/vnd.microsoft.card.adaptive"}, {"content", card}}})}});
}

std::string base64_lines(std::string_view bytes) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    constexpr std::size_t bytes_a_line = 57;
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        if (at > 0 && at % bytes_a_line == 0) out += "\r\n";
        const std::string_view three = bytes.substr(at, 3);
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 3; ++i)
            bits = (bits << 8U) | (i < three.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(three[i])) : 0U);
        for (std::size_t i = 0; i < 4; ++i) out.push_back(i > three.size() ? '=' : alphabet[(bits >> (6 * (3 - i))) & 63U]);
    }
    return out;
}

// RFC 2047; a header of ours holds no line feed, whatever its words came from.
std::string header_text(std::string_view text) {
    const bool is_plain = std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7F; });
    if (is_plain && text.size() < 900) return std::string(text);
    std::string out;
    // An encoded word has 75 characters at most, and its text may not be cut within a character.
    while (!text.empty()) {
        std::size_t size = std::min<std::size_t>(text.size(), 42);
        while (size < text.size() && size > 1 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
        out += (out.empty() ? "" : "\r\n ") + ("=?UTF-8?B?" + base64_lines(text.substr(0, size)) + "?=");
        text.remove_prefix(size);
    }
    return out;
}

}  // namespace

std::string event_of(const Notice& notice) { return text_of(notice.about, "event"); }

bool is_wanted(const Notice& notice, const std::vector<policy::NoticeEvent>& events) {
    return std::ranges::any_of(events, [&](policy::NoticeEvent each) { return policy::name_of(each) == event_of(notice); });
}

std::string headline(const Notice& notice) {
    const json& hold = hold_of(notice);
    const std::string id = shown_text(text_of(hold, "id"));
    std::string agent = text_of(hold, "agent");
    if (agent.empty()) agent = text_of(notice.about, "agent");
    agent = cut(shown_text(agent), shown_name);
    const std::string target = cut(shown_text(text_of(hold, "target")), shown_name);
    const std::string event = event_of(notice);
    if (event == "opened") return fmt::format("A command of {} for {} waits ({})", agent, target, id);
    if (event == "decided") {
        return fmt::format("{} of {} is {}", id, agent,
                           text_of(hold, "state") == "waiting" ? "approved in part" : shown_text(text_of(hold, "state")));
    }
    if (event == "ended") return fmt::format("{} of {} is over: {}", id, agent, shown_text(text_of(hold, "state")));
    if (event == "escalated") return fmt::format("A command of {} for {} still waits ({})", agent, target, id);
    if (event == "suspended") return fmt::format("{} is suspended", agent);
    if (event == "broke_glass") return fmt::format("Glass was broken for {} at {} ({})", agent, target, id);
    return fmt::format("News of assent: {}", shown_text(event));
}

std::string webhook_body(const Notice& notice, policy::Webhook::Form form, bool shows_text) {
    switch (form) {
        case policy::Webhook::Form::slack:
            return slack_body(notice, shows_text);
        case policy::Webhook::Form::teams:
            return teams_body(notice, shows_text);
        case policy::Webhook::Form::json:
            break;
    }
    return plain_body(notice, shows_text);
}

std::string mail_text(const Notice& notice, bool shows_text) {
    std::string out = headline(notice) + "\n\n";
    for (const auto& [name, value] : lines_of(notice)) out += fmt::format("{}: {}\n", name, value);
    if (const auto command = command_of(notice); shows_text && !command.empty()) {
        out += "\nThe command, as the agent wrote it:\n\n";
        std::string_view rest = command;
        while (true) {
            const auto end = rest.find('\n');
            out += "    | " + std::string(rest.substr(0, end)) + "\n";
            if (end == std::string_view::npos) break;
            rest.remove_prefix(end + 1);
        }
    }
    if (!notice.link.empty()) out += "\nLook at it, and answer there: " + notice.link + "\n";
    out += "\nNo answer to this message reaches assent.\n";
    return out;
}

std::string mail_message(const Notice& notice, const policy::MailNotices& mail, std::string_view host,
                         std::string_view date) {
    std::string to;
    for (const auto& each : mail.to) to += (to.empty() ? "" : ",\r\n ") + each;
    std::string text;
    for (const char c : mail_text(notice, mail.shows_text)) {
        if (c == '\n') text.push_back('\r');
        text.push_back(c);
    }
    return fmt::format(
        "Date: {}\r\nFrom: {}\r\nTo: {}\r\nMessage-ID: <{}@{}>\r\nSubject: {}\r\nMIME-Version: 1.0\r\n"
        "Auto-Submitted: auto-generated\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
        "base64\r\n\r\n"
        "{}\r\n",
        date, mail.from, to, notice.id, host, header_text("[assent] " + headline(notice)), base64_lines(text));
}

std::string slack_text(std::string_view text, std::size_t most) {
    return escaped(text, most, [](std::string& out, char c) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else
            out.push_back(c);
        // A zero-width space after the characters that format, or turn words into links, emoji or mentions.
        if (std::string_view("*_~`:@#/.").find(c) != std::string_view::npos) out += "\u200B";
    });
}

std::string teams_text(std::string_view text, std::size_t most) {
    return escaped(text, most, [](std::string& out, char c) {
        if (std::string_view("\\`*_{}[]()#+-.!|<>~&@").find(c) != std::string_view::npos) out.push_back('\\');
        out.push_back(c);
        if (c == ':' || c == '/') out += "\u200B";  // or an address would become a link
    });
}

std::string signature(std::string_view key, std::int64_t unix_seconds, std::string_view body) {
    const std::string signed_text = fmt::format("{}.{}", unix_seconds, body);
    return fmt::format("t={},v1={}", unix_seconds, to_hex(hmac_sha256(as_bytes(key), as_bytes(signed_text))));
}

}  // namespace assent::notify
