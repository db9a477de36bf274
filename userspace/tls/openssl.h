// Owners of OpenSSL's objects, and what its error queue says.
#pragma once

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

}  // namespace assent::tls
