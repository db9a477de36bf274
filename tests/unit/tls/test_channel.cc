// A server and a client that talk through memory.
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "tls/authority.h"
#include "tls/context.h"
#include "tls/tls.h"

namespace assent::tls {
namespace {

class TlsTest : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "assent-tls-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    [[nodiscard]] std::filesystem::path ca() const { return folder / "ca.pem"; }
    std::filesystem::path folder;
};

// One end, with what it has sent and read.
struct End {
    explicit End(const std::shared_ptr<Context>& context) : channel(make_channel(context)) {}

    [[nodiscard]] Result<> drain() {
        return channel->drain([this](Bytes bytes) { append(wire, bytes); }, [this](Bytes bytes) { read += as_text(bytes); });
    }
    [[nodiscard]] Result<> send(std::string_view text) {
        return channel->send(as_bytes(text), [this](Bytes bytes) { append(wire, bytes); });
    }
    std::unique_ptr<Channel> channel;
    ByteVector wire;  // to the other end
    std::string read;
};

// Moves everything in pieces of `cut` bytes until nobody has more to say; the first error ends it.
Result<> pump(End& client, End& server, std::size_t cut) {
    if (auto result = client.drain(); !result) return result;
    while (!client.wire.empty() || !server.wire.empty()) {
        for (auto [from, to] : {std::pair{&client, &server}, std::pair{&server, &client}}) {
            const ByteVector wire = std::exchange(from->wire, {});
            for (std::size_t at = 0; at < wire.size(); at += cut) {
                const Bytes piece = Bytes(wire).subspan(at, std::min(cut, wire.size() - at));
                if (auto result = to->channel->received(piece); !result) return result;
                if (auto result = to->drain(); !result) return result;
            }
        }
    }
    return {};
}

TEST_F(TlsTest, a_client_that_trusts_the_authority_talks_at_every_cut) {
    auto server_side = server_context(folder, "db.internal");
    ASSERT_TRUE(server_side) << server_side.error().message;
    auto client_side = client_context(true, ca(), "db.internal");
    ASSERT_TRUE(client_side) << client_side.error().message;
    for (std::size_t cut = 1; cut < 3000; cut = cut < 64 ? cut + 1 : cut * 2) {
        End client(*client_side);
        End server(*server_side);
        ASSERT_TRUE(pump(client, server, cut));
        ASSERT_TRUE(client.channel->is_established() && server.channel->is_established()) << cut;
        ASSERT_TRUE(client.send("select 1"));
        ASSERT_TRUE(server.send("one"));
        ASSERT_TRUE(pump(client, server, cut));
        EXPECT_EQ(server.read, "select 1");
        EXPECT_EQ(client.read, "one");
    }
}

TEST_F(TlsTest, large_texts_pass_whole) {
    End client(*client_context(true, (server_context(folder, "a.test").value(), ca()), "a.test"));
    End server(*server_context(folder, "a.test"));
    ASSERT_TRUE(pump(client, server, 16384));
    std::string large(1'000'000, 'x');
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>('a' + i % 23);
    ASSERT_TRUE(server.send(large));
    ASSERT_TRUE(pump(client, server, 16384));
    EXPECT_EQ(client.read, large);
}

TEST_F(TlsTest, an_address_is_a_name_too) {
    for (const char* name : {"127.0.0.1", "::1"}) {
        End server(*server_context(folder, name));
        End client(*client_context(true, ca(), name));
        EXPECT_TRUE(pump(client, server, 1000)) << name;
        EXPECT_TRUE(client.channel->is_established());
    }
    End server(*server_context(folder, "127.0.0.1"));
    End other(*client_context(true, ca(), "127.0.0.2"));
    EXPECT_FALSE(pump(other, server, 1000));
}

TEST_F(TlsTest, one_certificate_has_several_names) {
    const std::vector<std::string> names = {"db.internal", "db-2.internal", "10.0.0.5"};
    for (const std::string& name : names) {
        End server(*server_context(folder, names));
        End client(*client_context(true, ca(), name));
        EXPECT_TRUE(pump(client, server, 1000)) << name;
    }
}

TEST_F(TlsTest, another_name_is_refused) {
    End server(*server_context(folder, "db.internal"));
    End client(*client_context(true, ca(), "other.internal"));
    const auto result = pump(client, server, 1000);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().message.find("ostname mismatch"), std::string::npos) << result.error().message;
    EXPECT_FALSE(client.channel->is_established());
    EXPECT_FALSE(server.channel->is_established()) << "it was told by an alert, or waits for ever";
}

TEST_F(TlsTest, a_client_that_does_not_verify_takes_any_certificate) {
    End server(*server_context(folder, "db.internal"));
    End client(*client_context(false, {}, "other.internal"));
    EXPECT_TRUE(pump(client, server, 1000));
}

TEST_F(TlsTest, an_unknown_authority_is_refused) {
    const auto other = folder / "other";
    End server(*server_context(other, "db.internal"));
    ASSERT_TRUE(server_context(folder, "db.internal"));
    End client(*client_context(true, ca(), "db.internal"));
    const auto result = pump(client, server, 1000);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::denied) << result.error().message;
}

TEST_F(TlsTest, an_expired_certificate_is_refused) {
    auto authority = Authority::open(folder);
    ASSERT_TRUE(authority);
    auto leaf = authority->issue({.names = {"db.internal"}, .valid_from_s = -7200, .valid_until_s = -3600});
    ASSERT_TRUE(leaf);
    End server(*server_context_with(leaf->certificate.get(), leaf->key.get(), authority->certificate(), "db.internal"));
    End client(*client_context(true, ca(), "db.internal"));
    const auto result = pump(client, server, 1000);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().message.find("expired"), std::string::npos) << result.error().message;
}

TEST_F(TlsTest, a_self_signed_certificate_is_refused) {
    auto authority = Authority::open(folder / "self");
    ASSERT_TRUE(authority);
    const BioPointer key_file(BIO_new_file((folder / "self/ca.key").c_str(), "r"));
    const KeyPointer key(PEM_read_bio_PrivateKey(key_file.get(), nullptr, nullptr, nullptr));
    End server(*server_context_with(authority->certificate(), key.get(), nullptr, "db.internal"));
    ASSERT_TRUE(server_context(folder, "db.internal"));
    End client(*client_context(true, ca(), "db.internal"));
    EXPECT_FALSE(pump(client, server, 1000));
}

TEST_F(TlsTest, close_notify_is_told_from_a_cut) {
    End server(*server_context(folder, "db.internal"));
    End client(*client_context(true, ca(), "db.internal"));
    ASSERT_TRUE(pump(client, server, 1000));
    EXPECT_FALSE(server.channel->is_closed());
    client.channel->close([&](Bytes bytes) { append(client.wire, bytes); });
    client.channel->close([&](Bytes) { ADD_FAILURE() << "said twice"; });
    ASSERT_TRUE(pump(client, server, 1));
    EXPECT_TRUE(server.channel->is_closed());
    EXPECT_FALSE(client.channel->is_closed()) << "the server has not said it";
}

TEST_F(TlsTest, rubbish_and_changed_bytes_fail_and_stay_failed) {
    End server(*server_context(folder, "db.internal"));
    ASSERT_TRUE(server.channel->received(as_bytes("GET / HTTP/1.1\r\n\r\n")));
    EXPECT_FALSE(server.drain());
    EXPECT_FALSE(server.channel->received(as_bytes("more")));

    End other(*server_context(folder, "db.internal"));
    End client(*client_context(true, ca(), "db.internal"));
    ASSERT_TRUE(pump(client, other, 1000));
    ASSERT_TRUE(client.send("select 1"));
    client.wire.back() ^= std::byte{1};
    EXPECT_FALSE(pump(client, other, 1000));
    EXPECT_EQ(other.read, "");
}

TEST_F(TlsTest, input_that_nobody_drains_is_bounded) {
    End server(*server_context(folder, "db.internal"));
    const ByteVector piece(64 * 1024);
    Result<> result;
    for (int i = 0; i < 16 && result; ++i) result = server.channel->received(piece);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::limit);
}

TEST_F(TlsTest, nothing_is_sent_in_the_clear_before_the_handshake) {
    End client(*client_context(true, (server_context(folder, "a.test").value(), ca()), "a.test"));
    EXPECT_FALSE(client.send("secret"));
    EXPECT_TRUE(client.wire.empty());
}

TEST_F(TlsTest, the_authority_is_made_once_and_its_key_is_kept_close) {
    ASSERT_TRUE(Authority::open(folder));
    std::ifstream first(ca());
    const std::string text((std::istreambuf_iterator<char>(first)), {});
    ASSERT_TRUE(Authority::open(folder));
    std::ifstream second(ca());
    EXPECT_EQ(std::string((std::istreambuf_iterator<char>(second)), {}), text);
    struct stat status {};
    ASSERT_EQ(::stat((folder / "ca.key").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    std::filesystem::permissions(folder / "ca.key", std::filesystem::perms::others_read, std::filesystem::perm_options::add);
    auto open = Authority::open(folder);
    ASSERT_FALSE(open);
    EXPECT_EQ(open.error().code, Errc::denied);
}

TEST_F(TlsTest, a_name_that_would_be_two_is_not_certified) {
    EXPECT_FALSE(server_context(folder, "a.test,DNS:b.test"));
    EXPECT_FALSE(server_context(folder, ""));
    EXPECT_FALSE(server_context(folder, std::vector<std::string>{}));
}

}  // namespace
}  // namespace assent::tls
