// A TLS connection between two memory buffers.
#include <algorithm>
#include <array>

#include <openssl/err.h>

#include "tls/context.h"
#include "tls/tls.h"

namespace assent::tls {
namespace {

constexpr std::size_t piece_size = 16 * 1024;        // a record's plaintext at most
constexpr std::size_t input_maximum = 512UL * 1024;  // ciphertext that waits for drain(); more is a caller's bug

class MemoryChannel final : public Channel {
public:
    explicit MemoryChannel(std::shared_ptr<Context> context) : context_(std::move(context)), ssl_(context_->make_ssl()) {
        if (!ssl_) return;
        in_ = BIO_new(BIO_s_mem());
        out_ = BIO_new(BIO_s_mem());
        BIO_set_mem_eof_return(in_, -1);  // empty is not the end
        SSL_set_bio(ssl_.get(), in_, out_);
    }

    [[nodiscard]] Result<> received(Bytes ciphertext) override {
        if (!ssl_) return fail(Errc::internal, "TLS could not be set up");
        if (is_failed_) return fail(Errc::malformed, "TLS has failed before");
        if (BIO_ctrl_pending(in_) + ciphertext.size() > input_maximum)
            return fail(Errc::limit, "more TLS records wait than are taken");
        while (!ciphertext.empty()) {
            const int written =
                BIO_write(in_, ciphertext.data(), static_cast<int>(std::min<std::size_t>(ciphertext.size(), 1U << 30U)));
            if (written <= 0) return fail_openssl(Errc::internal, "TLS input");
            ciphertext = ciphertext.subspan(static_cast<std::size_t>(written));
        }
        return {};
    }

    [[nodiscard]] Result<> send(Bytes plaintext, const std::function<void(Bytes)>& out) override {
        if (!is_established()) return fail(Errc::internal, "TLS is not established");
        while (!plaintext.empty()) {
            ERR_clear_error();
            std::size_t written = 0;
            const auto part = plaintext.first(std::min(plaintext.size(), piece_size));
            if (SSL_write_ex(ssl_.get(), part.data(), part.size(), &written) != 1) return broken("TLS send");
            plaintext = plaintext.subspan(written);
            flush(out);
        }
        return {};
    }

    [[nodiscard]] Result<> drain(const std::function<void(Bytes)>& ciphertext,
                                 const std::function<void(Bytes)>& plaintext) override {
        if (!ssl_) return fail(Errc::internal, "TLS could not be set up");
        if (is_failed_) return fail(Errc::malformed, "TLS has failed before");
        ERR_clear_error();
        if (SSL_is_init_finished(ssl_.get()) == 0) {
            const int result = SSL_do_handshake(ssl_.get());
            const int error = SSL_get_error(ssl_.get(), result);
            flush(ciphertext);  // also the alert that says what is wrong
            if (result != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return handshake_failed();
            if (result != 1) return {};
        }
        std::array<std::byte, piece_size> buffer;
        while (true) {
            ERR_clear_error();
            std::size_t size = 0;
            const int result = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &size);
            if (result == 1) {
                plaintext(Bytes(buffer).first(size));
                continue;
            }
            const int error = SSL_get_error(ssl_.get(), result);
            flush(ciphertext);
            if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return {};
            if (error == SSL_ERROR_ZERO_RETURN) return {};
            return broken("TLS");
        }
    }

    [[nodiscard]] bool is_established() const override {
        return ssl_ && !is_failed_ && SSL_is_init_finished(ssl_.get()) == 1;
    }
    [[nodiscard]] bool is_closed() const override {
        return ssl_ && (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
    }

    void close(const std::function<void(Bytes)>& ciphertext) override {
        if (!is_established() || (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0) return;
        ERR_clear_error();
        (void)SSL_shutdown(ssl_.get());
        flush(ciphertext);
        ERR_clear_error();
    }

private:
    void flush(const std::function<void(Bytes)>& out) {
        char* data = nullptr;
        const long size = BIO_get_mem_data(out_, &data);
        if (size <= 0) return;
        out(Bytes(reinterpret_cast<const std::byte*>(data), static_cast<std::size_t>(size)));
        (void)BIO_reset(out_);
    }

    std::unexpected<Error> broken(const std::string& what) {
        is_failed_ = true;
        return fail_openssl(Errc::malformed, what);
    }

    std::unexpected<Error> handshake_failed() {
        is_failed_ = true;
        const long verified = SSL_get_verify_result(ssl_.get());
        if (verified == X509_V_OK) return fail_openssl(Errc::malformed, "TLS handshake");
        ERR_clear_error();
        return fail(Errc::denied,
                    std::string("the server's certificate is not accepted: ") + X509_verify_cert_error_string(verified));
    }

    std::shared_ptr<Context> context_;
    SslPointer ssl_;
    BIO* in_ = nullptr;  // owned by ssl_
    BIO* out_ = nullptr;
    bool is_failed_ = false;
};

}  // namespace

std::unique_ptr<Channel> make_channel(const std::shared_ptr<Context>& context) {
    return std::make_unique<MemoryChannel>(context);
}

}  // namespace assent::tls
