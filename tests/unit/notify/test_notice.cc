// What notices look like, with an agent that writes what it should not.
#include <gtest/gtest.h>

#include "notify/notice.h"

namespace assent::notify {
namespace {

using nlohmann::json;

Notice opened_notice(const std::string& agent, const std::string& text) {
    return {"0123456789abcdef",
            {{"event", "opened"},
             {"time", "2026-11-23T06:00:00.000000Z"},
             {"hold",
              {{"id", "h-7k2mq4"},
               {"state", "waiting"},
               {"agent", agent},
               {"target", "shop-db"},
               {"database", "shop"},
               {"rules", {"changes-need-a-dba"}},
               {"effects", {"update public.orders"}},
               {"approvals", {{{"name", "dba"}}}},
               {"purpose", "@channel <http://evil.example|click>"},
               {"text", text},
               {"is_text_whole", true},
               {"deadline", "2026-11-23T06:15:00.000000Z"}}}},
            "https://assent.example/holds/h-7k2mq4"};
}

TEST(Notice, SaysWhoWhereAndByWhichRuleAndShowsTheCommandOnlyWhenItIsWanted) {
    const auto notice = opened_notice("nightly", "UPDATE orders SET status = 'secret'");
    using Form = policy::Webhook::Form;
    for (const Form form : {Form::json, Form::slack, Form::teams}) {
        const auto without = webhook_body(notice, form, false);
        EXPECT_TRUE(json::accept(without));
        for (const char* word : {"nightly", "h-7k2mq4", "changes", "dba", "https://assent.example/holds/h-7k2mq4"})
            EXPECT_NE(without.find(word), std::string::npos) << word << " in " << without;
        EXPECT_EQ(without.find("secret"), std::string::npos) << without;
        EXPECT_NE(webhook_body(notice, form, true).find("secret"), std::string::npos);
    }
    EXPECT_EQ(mail_text(notice, false).find("secret"), std::string::npos);
    EXPECT_NE(mail_text(notice, true).find("secret"), std::string::npos);
}

TEST(Notice, InSlackNothingOfAnAgentIsALinkAMentionOrFormatting) {
    const auto body =
        json::parse(webhook_body(opened_notice("<!channel>", "</b> ``` <!here> *x*"), policy::Webhook::Form::slack, true));
    std::string formatted;
    const auto collect = [&](const auto& self, const json& node) -> void {
        if (node.is_object() && node.value("type", json()) == "mrkdwn") formatted += node["text"].get<std::string>() + "\n";
        if (node.is_structured()) {
            for (const json& each : node) self(self, each);
        }
    };
    collect(collect, body);
    // The only one is our own link.
    EXPECT_EQ(formatted.find('<'), formatted.rfind("<https://assent.example/holds/h-7k2mq4|Look at it>")) << formatted;
    EXPECT_EQ(formatted.find("@channel"), std::string::npos) << formatted;
    EXPECT_EQ(body["text"].get<std::string>().find("<!channel>"), std::string::npos);
    EXPECT_EQ(body["unfurl_links"], false);
    // The command is text of an element that Slack does not look into.
    EXPECT_NE(body.dump().find(R"("rich_text_preformatted")"), std::string::npos);
}

TEST(Notice, InTeamsNothingOfAnAgentIsMarkdown) {
    EXPECT_EQ(teams_text("[a](http)*_"), "\\[a\\]\\(http\\)\\*\\_");
    const auto body =
        webhook_body(opened_notice("[x](http://evil.example)", "**bold** <at>all</at>"), policy::Webhook::Form::teams, true);
    EXPECT_EQ(body.find("](http"), std::string::npos) << body;
    EXPECT_EQ(body.find("<at>"), std::string::npos) << body;
    EXPECT_EQ(json::parse(body)["attachments"][0]["content"]["actions"][0]["url"], "https://assent.example/holds/h-7k2mq4");
}

TEST(Notice, NoAgentWritesAHeaderOfAMail) {
    policy::MailNotices mail;
    mail.from = "assent@example.com";
    mail.to = {"dba@example.com", "oncall@example.com"};
    mail.shows_text = true;
    const auto message = mail_message(opened_notice("x\r\nBcc: evil@example.com", "a\r\n.\r\nQUIT"), mail, "host",
                                      "Mon, 23 Nov 2026 06:00:00 +0000");
    const auto headers = message.substr(0, message.find("\r\n\r\n"));
    EXPECT_EQ(headers.find("\r\nBcc"), std::string::npos) << headers;
    EXPECT_NE(headers.find("To: dba@example.com,\r\n oncall@example.com\r\n"), std::string::npos) << headers;
    // The body is base64: no line of it is a dot.
    EXPECT_EQ(message.find("\r\n.\r\n"), std::string::npos);
    EXPECT_EQ(message.find("QUIT"), std::string::npos);
}

TEST(Notice, OtherLettersGoIntoSubjectsEncoded) {
    policy::MailNotices mail;
    mail.from = "a@example.com";
    mail.to = {"b@example.com"};
    const auto message = mail_message(opened_notice("naña-ночь-naña-ночь", ""), mail, "host", "date");
    for (const char c : message.substr(0, message.find("\r\n\r\n"))) EXPECT_LT(static_cast<unsigned char>(c), 0x80U);
    EXPECT_NE(message.find("Subject: =?UTF-8?B?"), std::string::npos);
}

// HMAC-SHA-256 of "1764000000.{}" by "key", as openssl dgst -hmac says.
TEST(Notice, SignaturesAreOverTimeAndBody) {
    const auto signed_text = signature("key", 1'764'000'000, "{}");
    EXPECT_TRUE(signed_text.starts_with("t=1764000000,v1=")) << signed_text;
    EXPECT_EQ(signed_text.size(), std::string("t=1764000000,v1=").size() + 64);
    EXPECT_NE(signed_text, signature("key", 1'764'000'001, "{}").replace(2, 10, "1764000000"));
    EXPECT_NE(signed_text, signature("yek", 1'764'000'000, "{}"));
}

TEST(Notice, AChannelGetsTheEventsThatItNames) {
    const auto notice = opened_notice("a", "b");
    EXPECT_TRUE(is_wanted(notice, {policy::NoticeEvent::ended, policy::NoticeEvent::opened}));
    EXPECT_FALSE(is_wanted(notice, {policy::NoticeEvent::ended}));
    EXPECT_FALSE(is_wanted({"", {{"event", "unheard of"}}, ""}, {policy::NoticeEvent::opened}));
}

}  // namespace
}  // namespace assent::notify
