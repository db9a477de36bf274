#include "tls/context.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <string_view>

#include <openssl/err.h>

#include "tls/authority.h"

namespace assent::tls {
namespace {

// https://www.postgresql.org/docs/17/protocol-flow.html, "SSL session encryption": the ALPN name of protocol 3.
constexpr std::string_view protocol = "\x0apostgresql";
constexpr std::size_t cached_leaves = 1024;  // names; the whole table is made anew when it is full
constexpr std::chrono::hours leaf_age{24};

int select_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned int in_size,
                    void*) {
    unsigned char* chosen = nullptr;
    const int result = SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(protocol.data()),
                                             static_cast<unsigned>(protocol.size()), in, in_size);
    if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

ContextPointer make_context(const SSL_METHOD* method) {
    ContextPointer context(SSL_CTX_new(method));
    if (!context) return context;
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(
        context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    // Buffers are given back while a connection is idle: a thousand idle flows cost little.
    SSL_CTX_set_mode(context.get(),
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

struct CachedContext {
    std::shared_ptr<Context> context;
    std::chrono::steady_clock::time_point made;
};

}  // namespace

SslPointer Context::make_ssl() const {
    SslPointer ssl(SSL_new(ssl_context_.get()));
    if (!ssl) return ssl;
    if (is_server_) {
        SSL_set_accept_state(ssl.get());
        return ssl;
    }
    SSL_set_connect_state(ssl.get());
    const bool is_address = is_ip_address(name_);
    if (!name_.empty() && !is_address && SSL_set_tlsext_host_name(ssl.get(), name_.c_str()) != 1) return nullptr;
    if (!verifies_) return ssl;
    X509_VERIFY_PARAM* check = SSL_get0_param(ssl.get());
    X509_VERIFY_PARAM_set_hostflags(check, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int is_set = is_address ? X509_VERIFY_PARAM_set1_ip_asc(check, name_.c_str())
                                  : X509_VERIFY_PARAM_set1_host(check, name_.c_str(), name_.size());
    if (is_set != 1) return nullptr;
    return ssl;
}

Result<std::shared_ptr<Context>> server_context_with(X509* certificate, EVP_PKEY* key, X509* issuer,
                                                     const std::string& name) {
    ContextPointer context = make_context(TLS_server_method());
    if (!context || SSL_CTX_use_certificate(context.get(), certificate) != 1 ||
        SSL_CTX_use_PrivateKey(context.get(), key) != 1 ||
        (issuer != nullptr && SSL_CTX_add1_chain_cert(context.get(), issuer) != 1)) {
        return fail_openssl(Errc::internal, "making the TLS context for " + name);
    }
    SSL_CTX_set_num_tickets(context.get(), 0);
    SSL_CTX_set_alpn_select_cb(context.get(), select_protocol, nullptr);
    return std::make_shared<Context>(std::move(context), true, false, name);
}

Result<std::shared_ptr<Context>> server_context(const std::filesystem::path& folder, const std::string& name) {
    return server_context(folder, std::vector<std::string>{name});
}

Result<std::shared_ptr<Context>> server_context(const std::filesystem::path& folder, const std::vector<std::string>& names) {
    static std::mutex mutex;
    static std::map<std::pair<std::string, std::vector<std::string>>, CachedContext> cache;
    const auto now = std::chrono::steady_clock::now();
    const std::lock_guard lock(mutex);
    if (const auto cached = cache.find({folder.string(), names});
        cached != cache.end() && now - cached->second.made < leaf_age) {
        return cached->second.context;
    }
    auto authority = Authority::open(folder);
    if (!authority) return std::unexpected(authority.error());
    auto leaf = authority->issue({.names = names});
    if (!leaf) return std::unexpected(leaf.error());
    auto context = server_context_with(leaf->certificate.get(), leaf->key.get(), authority->certificate(), names.front());
    if (!context) return context;
    if (cache.size() > cached_leaves) cache.clear();
    cache[{folder.string(), names}] = {*context, now};
    return context;
}

Result<std::shared_ptr<Context>> client_context(bool verifies, const std::filesystem::path& ca, const std::string& name) {
    if (verifies && name.empty()) return fail(Errc::invalid, "a server's certificate cannot be verified without its name");
    ContextPointer context = make_context(TLS_client_method());
    if (!context) return fail_openssl(Errc::internal, "making a TLS context");
    SSL_CTX_set_verify(context.get(), verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    if (verifies) {
        const int is_loaded = ca.empty() ? SSL_CTX_set_default_verify_paths(context.get())
                                         : SSL_CTX_load_verify_file(context.get(), ca.c_str());
        if (is_loaded != 1) {
            return fail_openssl(Errc::invalid,
                                ca.empty() ? "loading the system's certificate authorities" : "reading " + ca.string());
        }
    }
    // This one call gives 0 for success.
    if (SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(protocol.data()),
                                static_cast<unsigned>(protocol.size())) != 0) {
        return fail_openssl(Errc::internal, "setting ALPN");
    }
    return std::make_shared<Context>(std::move(context), false, verifies, name);
}

}  // namespace assent::tls
