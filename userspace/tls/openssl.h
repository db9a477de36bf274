// Owners of OpenSSL's objects, what its error queue says, and small things that all of this folder needs.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/result.h"

namespace assent::tls {

template <auto free>
struct Free {
    template <typename T>
    void operator()(T* object) const {
        free(object);
    }
};

using KeyPointer = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using CertificatePointer = std::unique_ptr<X509, Free<X509_free>>;
using ContextPointer = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using SslPointer = std::unique_ptr<SSL, Free<SSL_free>>;
using BioPointer = std::unique_ptr<BIO, Free<BIO_free>>;
using ExtensionPointer = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;

// "what: the first reason in the thread's error queue", which it empties.
[[nodiscard]] std::unexpected<Error> fail_openssl(Errc code, std::string what);

// To be read; null when it cannot be.
[[nodiscard]] BioPointer open_file(const std::filesystem::path& file);

// Of a name that certificates are for: 4 or 6, as text.
[[nodiscard]] bool is_ip_address(const std::string& name);

}  // namespace assent::tls
