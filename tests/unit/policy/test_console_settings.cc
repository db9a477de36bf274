#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "policy/settings.h"

namespace assent::policy {
namespace {

class ConsoleSettingsFile : public testing::Test {
protected:
    ConsoleSettingsFile() {
        std::string name = testing::TempDir() + "settings-XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }
    ~ConsoleSettingsFile() override { std::filesystem::remove_all(folder_); }

    auto load(const std::string& text) {
        const auto path = folder_ / "assent.yaml";
        std::ofstream(path, std::ios::binary) << text;
        return Settings::load(path);
    }
    std::string mistakes(const std::string& text) {
        const auto loaded = load(text);
        std::string out;
        if (loaded) return out;
        for (const auto& one : loaded.error()) out += std::to_string(one.line) + ": " + one.message + "\n";
        return out;
    }

    std::filesystem::path folder_;
};

TEST_F(ConsoleSettingsFile, WithoutThemThereIsNoConsoleAndNobodyIsTold) {
    const auto settings = load("version: 1\n");
    ASSERT_TRUE(settings.has_value());
    EXPECT_FALSE(settings->console.is_wanted);
    EXPECT_FALSE(settings->notify.is_wanted);
    EXPECT_TRUE(settings->view_users.empty() && settings->view_groups.empty());
}

TEST_F(ConsoleSettingsFile, EveryKeyIsRead) {
    const auto settings = load(R"(
console:
  listen: "[::1]:8443"
  public_url: https://assent.example.com/
  tls: {certificate: /c.pem, key: /k.pem}
  user: web
  sessions: {idle: 5m, longest: 8h}
view: {users: [vic@example.com], groups: [auditors]}
notify:
  user: mailer
  webhooks:
    - {name: ops, url: "https://hooks.example.com/x", secret: {file: /s}, form: slack, events: [opened, ended], text: true, ca: /ca.pem}
    - {name: here, url: {file: /u}, form: teams}
  mail: {server: "smtp.example.com", tls: tls, from: a@example.com, to: [b@example.com], user: u, password: {file: /p}}
  exec: /usr/local/bin/page
)");
    ASSERT_TRUE(settings.has_value());
    const auto& console = settings->console;
    EXPECT_EQ(console.address, "::1");
    EXPECT_EQ(console.port, 8443);
    EXPECT_EQ(console.public_url, "https://assent.example.com");
    EXPECT_EQ(console.certificate, "/c.pem");
    EXPECT_EQ(console.key, "/k.pem");
    EXPECT_EQ(console.user, "web");
    EXPECT_EQ(console.idle, std::chrono::minutes(5));
    EXPECT_EQ(console.longest, std::chrono::hours(8));
    EXPECT_EQ(settings->view_users, std::vector<std::string>{"vic@example.com"});
    const auto& notify = settings->notify;
    EXPECT_EQ(notify.user, "mailer");
    ASSERT_EQ(notify.webhooks.size(), 2U);
    EXPECT_EQ(notify.webhooks[0].form, Webhook::Form::slack);
    EXPECT_EQ(notify.webhooks[0].events, (std::vector{NoticeEvent::opened, NoticeEvent::ended}));
    EXPECT_TRUE(notify.webhooks[0].shows_text);
    EXPECT_EQ(notify.webhooks[1].url.file, "/u");
    EXPECT_FALSE(notify.webhooks[1].shows_text);
    EXPECT_EQ(notify.mail.port, 465);
    EXPECT_EQ(notify.mail.tls, MailNotices::Tls::tls);
    EXPECT_EQ(notify.exec, "/usr/local/bin/page");
}

TEST_F(ConsoleSettingsFile, WhatCannotWorkIsSaid) {
    const std::string url = "console: {public_url: \"https://a.example\", ";
    EXPECT_NE(mistakes("console: {listen: \"127.0.0.1:7443\"}\n").find("public_url"), std::string::npos);
    for (const char* wrong : {"http://a.example", "https://", "https://a.example/path", "https://A.example",
                              "https://u@a.example", "https://a.example:443"})
        EXPECT_NE(mistakes(std::string("console: {public_url: \"") + wrong + "\"}\n"), "") << wrong;
    for (const char* wrong : {"localhost:7443", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", ":7443"})
        EXPECT_NE(mistakes(url + "listen: \"" + wrong + "\"}\n"), "") << wrong;
    EXPECT_NE(mistakes(url + "tls: {certificate: /c.pem}}\n").find("key"), std::string::npos);
    EXPECT_NE(mistakes(url + "sessions: {idle: 1s}}\n"), "");
    EXPECT_NE(mistakes(url + "port: 1}\n").find("unknown key"), std::string::npos);
}

TEST_F(ConsoleSettingsFile, NoticesGoNowhereInTheClear) {
    const auto hook = [&](const std::string& text) { return mistakes("notify: {webhooks: [{name: a, " + text + "}]}\n"); };
    EXPECT_EQ(hook("url: \"http://127.0.0.1:80/x\""), "");
    for (const char* wrong :
         {"url: \"http://hooks.example.com/\"", "url: \"ftp://127.0.0.1:1/\"", "url: \"http://127.0.0.1.evil.example/\""})
        EXPECT_NE(hook(wrong), "") << wrong;
    EXPECT_NE(hook("url: \"https://a.example\", events: [opend]").find("opened"), std::string::npos);
    EXPECT_NE(mistakes("notify: {}\n").find("nobody would be told"), std::string::npos);
    const auto mail = [&](const std::string& text) {
        return mistakes("notify: {mail: {server: s.example, " + text + "}}\n");
    };
    EXPECT_EQ(mail("from: a@b.example, to: [c@d.example]"), "");
    EXPECT_NE(mail("tls: none, from: a@b.example, to: [c@d.example], user: u, password: {file: /p}").find("without TLS"),
              std::string::npos);
    EXPECT_NE(mail("from: \"a@b.example>\", to: [c@d.example]"), "");
    EXPECT_NE(mail("from: a@b.example, to: [\"c@d.example\\r\\nBcc: e@f.example\"]"), "");
    EXPECT_NE(mail("from: a@b.example, to: [c@d.example], user: u").find("go together"), std::string::npos);
}

}  // namespace
}  // namespace assent::policy
