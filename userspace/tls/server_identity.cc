#include "tls/server_identity.h"

#include <stdlib.h>
#include <sys/socket.h>

#include <array>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "tls/authority.h"

namespace assent::tls {
namespace {

constexpr long leaf_lifetime_s = 397L * 24 * 3600;  // browsers take no longer one

// A folder that is gone when it is not needed any more.
class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "assent-tls-XXXXXX").string();
        if (::mkdtemp(name.data()) != nullptr) path_ = name;
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

// Where a connection's SSL keeps how much it has received.
int received_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

// Called for each record, with its header of 5 bytes (RFC 8446, section 5.1): the last two are the length of what follows.
void count_record(int is_sent, int, int content_type, const void* bytes, std::size_t size, SSL* ssl, void* most) {
    if (is_sent != 0 || content_type != SSL3_RT_HEADER || size < SSL3_RT_HEADER_LENGTH) return;
    const auto* header = static_cast<const unsigned char*>(bytes);
    const auto before = reinterpret_cast<std::size_t>(SSL_get_ex_data(ssl, received_index()));
    const std::size_t received = before + (static_cast<std::size_t>(header[3]) << 8U) + header[4];
    SSL_set_ex_data(ssl, received_index(), reinterpret_cast<void*>(received));
    if (received > reinterpret_cast<std::size_t>(most)) ::shutdown(SSL_get_fd(ssl), SHUT_RDWR);
}

}  // namespace

Result<ServerIdentity> ServerIdentity::read(const std::filesystem::path& certificate, const std::filesystem::path& key) {
    ServerIdentity identity;
    const BioPointer certificates = open_file(certificate);
    if (!certificates) return fail_openssl(Errc::invalid, "opening " + certificate.string());
    while (X509* next = PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr))
        identity.certificates_.emplace_back(next);
    if (identity.certificates_.empty())
        return fail_openssl(Errc::invalid, "reading certificates from " + certificate.string());
    ERR_clear_error();  // the end of the file counts as an error
    const BioPointer keys = open_file(key);
    if (!keys) return fail_openssl(Errc::invalid, "opening " + key.string());
    identity.key_.reset(PEM_read_bio_PrivateKey(keys.get(), nullptr, nullptr, nullptr));
    if (!identity.key_) return fail_openssl(Errc::invalid, "reading a key from " + key.string());
    if (X509_check_private_key(identity.certificates_.front().get(), identity.key_.get()) != 1)
        return fail(Errc::invalid,
                    fmt::format("the first certificate of {} is not of the key in {}", certificate.string(), key.string()));
    return identity;
}

Result<ServerIdentity> ServerIdentity::make(const std::filesystem::path& folder, std::vector<std::string> names) {
    const TemporaryFolder temporary;
    if (folder.empty() && temporary.path().empty()) return fail(Errc::io, "no temporary folder can be made");
    auto authority = Authority::open(folder.empty() ? temporary.path() / "ca" : folder);
    if (!authority) return std::unexpected(std::move(authority.error()));
    LeafOptions options;
    options.names = std::move(names);
    options.valid_until_s = leaf_lifetime_s;
    auto leaf = authority->issue(options);
    if (!leaf) return std::unexpected(std::move(leaf.error()));
    ServerIdentity identity;
    identity.key_ = std::move(leaf->key);
    identity.certificates_.push_back(std::move(leaf->certificate));
    X509_up_ref(authority->certificate());
    identity.certificates_.emplace_back(authority->certificate());
    return identity;
}

Result<> ServerIdentity::set_up(SSL_CTX& context, std::size_t most_received) const {
    SSL_CTX_set_msg_callback(&context, count_record);
    // OpenSSL keeps a pointer and never looks at what is there, so it may be a number.
    SSL_CTX_set_msg_callback_arg(&context, reinterpret_cast<void*>(most_received));
    SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION);
    SSL_CTX_set_options(&context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    // Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else.
    bool is_set = SSL_CTX_set_cipher_list(&context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
                  SSL_CTX_use_certificate(&context, certificates_.front().get()) == 1 &&
                  SSL_CTX_use_PrivateKey(&context, key_.get()) == 1;
    for (std::size_t i = 1; i < certificates_.size(); ++i)
        is_set = is_set && SSL_CTX_add1_chain_cert(&context, certificates_[i].get()) == 1;
    if (!is_set) return fail_openssl(Errc::internal, "setting up TLS");
    return {};
}

std::string ServerIdentity::fingerprint() const {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (X509_digest(certificates_.front().get(), EVP_sha256(), digest.data(), &size) != 1) return {};
    std::string out;
    for (unsigned i = 0; i < size; ++i) out += fmt::format("{}{:02X}", i == 0 ? "" : ":", digest[i]);
    return out;
}

}  // namespace assent::tls
