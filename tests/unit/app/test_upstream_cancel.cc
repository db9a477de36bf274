// A CancelRequest on its way to a server that is a script.
#include <filesystem>

#include "app/upstream_cancel.h"
#include "unit/io/loop_thread.h"

namespace assent::app {
namespace {

using namespace std::chrono_literals;
using io::read_some;
using io::write_all;

// Length 16, code 80877102, process 4711, secret 99.
constexpr std::string_view request{"\0\0\0\x10\x04\xd2\x16\x2e\0\0\x12\x67\0\0\0\x63", 16};
constexpr std::string_view ssl_request{"\0\0\0\x08\x04\xd2\x16\x2f", 8};

class UpstreamCancelTest : public testing::Test {
protected:
    UpstreamCancelTest() : server(io::make_listening(true)) {}
    ~UpstreamCancelTest() override {
        thread.call([this] { cancel.reset(); });
    }
    void begin(std::shared_ptr<tls::Context> context = nullptr) {
        CancelKey key;
        key.target = server.endpoint;
        key.tls = std::move(context);
        key.process = 4711;
        key.secret = 99;
        thread.call([&] {
            cancel = std::make_unique<UpstreamCancel>(thread.loop(), key, [this](std::string_view reason) {
                ++done_count;
                why = reason;
            });
        });
    }
    [[nodiscard]] Fd accept() const { return Fd(::accept4(server.socket.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
    bool is_done() {
        return io::eventually(thread, [this] { return done_count == 1; });
    }

    io::LoopThread thread;
    io::Listening server;
    std::unique_ptr<UpstreamCancel> cancel;
    int done_count = 0;
    std::string why;
};

TEST_F(UpstreamCancelTest, is_done_when_the_server_closes) {
    begin();
    Fd peer = accept();
    EXPECT_EQ(read_some(peer.get(), 16), request);
    EXPECT_EQ(thread.call([this] { return done_count; }), 0);
    peer.reset();
    EXPECT_TRUE(is_done());
    EXPECT_EQ(why, "");
}

TEST_F(UpstreamCancelTest, a_reset_after_the_request_is_an_end_too) {
    begin();
    Fd peer = accept();
    EXPECT_EQ(read_some(peer.get(), 16), request);
    io::reset(peer);
    EXPECT_TRUE(is_done());
    EXPECT_EQ(why, "");
}

TEST_F(UpstreamCancelTest, goes_behind_tls_where_the_target_requires_it) {
    std::string pattern = (std::filesystem::temp_directory_path() / "assent-cancel-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    auto channel = tls::make_channel(*tls::server_context(pattern, "db.internal"));
    begin(*tls::client_context(true, std::filesystem::path(pattern) / "ca.pem", "db.internal"));
    Fd peer = accept();
    EXPECT_EQ(read_some(peer.get(), 8), ssl_request);
    write_all(peer.get(), "S");
    std::string read;
    while (read.size() < request.size()) {
        const std::string bytes = [&] {
            std::string part(16384, '\0');
            const ssize_t size = ::recv(peer.get(), part.data(), part.size(), 0);
            part.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
            return part;
        }();
        ASSERT_FALSE(bytes.empty());
        EXPECT_EQ(bytes.find(request), std::string::npos) << "in the clear";
        ASSERT_TRUE(channel->received(as_bytes(bytes)));
        ASSERT_TRUE(
            channel->drain([&](Bytes out) { write_all(peer.get(), as_text(out)); }, [&](Bytes in) { read += as_text(in); }));
    }
    EXPECT_EQ(read, request);
    peer.reset();
    EXPECT_TRUE(is_done());
    std::filesystem::remove_all(pattern);
}

TEST_F(UpstreamCancelTest, a_server_without_tls_is_sent_nothing) {
    begin(*tls::client_context(false, {}, "db.internal"));
    Fd peer = accept();
    EXPECT_EQ(read_some(peer.get(), 8), ssl_request);
    write_all(peer.get(), "N");
    EXPECT_TRUE(is_done());
    EXPECT_NE(why, "");
    thread.call([this] { cancel.reset(); });
    EXPECT_EQ(read_some(peer.get(), 16), "");
}

TEST_F(UpstreamCancelTest, a_server_that_is_gone_is_told) {
    server.socket.reset();
    begin();
    EXPECT_TRUE(is_done());
    EXPECT_NE(why, "");
}

}  // namespace
}  // namespace assent::app
