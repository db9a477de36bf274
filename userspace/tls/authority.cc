#include "tls/authority.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include <openssl/ec.h>
#include <openssl/pem.h>

#include "base/digest.h"
#include "base/fd.h"

namespace assent::tls {
namespace {

constexpr long authority_valid_s = 10L * 365 * 24 * 3600;

bool add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const ExtensionPointer extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_serial(X509* certificate) {
    std::array<std::byte, 16> random{};
    fill_random(random);
    random[0] &= std::byte{0x7f};  // positive
    const std::unique_ptr<BIGNUM, Free<BN_free>> number(
        BN_bin2bn(reinterpret_cast<const unsigned char*>(random.data()), random.size(), nullptr));
    return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_basics(X509* certificate, EVP_PKEY* key, const std::string& common_name, long from_s, long until_s) {
    X509_NAME* subject = X509_get_subject_name(certificate);
    // The common name holds 64 characters at most; what counts is the alternative name.
    const std::string shown = common_name.substr(0, 64);
    return X509_set_version(certificate, 2) == 1 && set_serial(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), from_s) != nullptr &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), until_s) != nullptr && X509_set_pubkey(certificate, key) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(shown.c_str()),
                                      -1, -1, 0) == 1;
}

// Written beside and renamed, so that a crash leaves a whole file or none.
Result<> write_file(const std::filesystem::path& file, BIO* content, mode_t mode) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(content, &data);
    const std::filesystem::path fresh = file.string() + ".new";
    ::unlink(fresh.c_str());
    Fd out(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
    if (!out.is_open()) return fail_errno("creating " + fresh.string(), errno);
    if (::fchmod(out.get(), mode) != 0 || ::write(out.get(), data, static_cast<std::size_t>(size)) != size ||
        ::fsync(out.get()) != 0) {
        return fail_errno("writing " + fresh.string(), errno);
    }
    if (::rename(fresh.c_str(), file.c_str()) != 0) return fail_errno("renaming " + fresh.string(), errno);
    return {};
}

}  // namespace

Result<Authority> Authority::open(const std::filesystem::path& folder) {
    std::error_code error;
    if (std::filesystem::exists(folder / "ca.key", error)) return read(folder);
    return make(folder);
}

Result<Authority> Authority::read(const std::filesystem::path& folder) {
    struct stat status {};
    const auto key_file = folder / "ca.key";
    if (::stat(key_file.c_str(), &status) != 0) return fail_errno("reading " + key_file.string(), errno);
    if ((status.st_mode & 077U) != 0) {
        return fail(
            Errc::denied,
            key_file.string() +
                " can be read by others than its owner; chmod 600 it, or remove ca.key and ca.pem to have new ones made");
    }
    Authority authority;
    if (const auto in = open_file(key_file))
        authority.key_.reset(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
    if (const auto in = open_file(folder / "ca.pem"))
        authority.certificate_.reset(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    if (!authority.key_ || !authority.certificate_ ||
        X509_check_private_key(authority.certificate_.get(), authority.key_.get()) != 1) {
        return fail_openssl(Errc::invalid, "ca.key and ca.pem in " + folder.string() +
                                               " are not a key and its certificate; remove both to have new ones made");
    }
    return authority;
}

Result<Authority> Authority::make(const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return fail_errno("making " + folder.string(), error.value());
    Authority authority;
    authority.key_.reset(EVP_EC_gen("P-256"));
    authority.certificate_.reset(X509_new());
    X509* certificate = authority.certificate_.get();
    std::array<std::byte, 4> random{};
    fill_random(random);  // two hosts' authorities can be told apart
    const bool is_made =
        authority.key_ && certificate != nullptr &&
        set_basics(certificate, authority.key_.get(), "assent CA " + to_hex(random), -3600, authority_valid_s) &&
        X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
        add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(certificate, certificate, NID_subject_key_identifier, "hash") &&
        X509_sign(certificate, authority.key_.get(), EVP_sha256()) > 0;
    if (!is_made) return fail_openssl(Errc::internal, "making the certificate authority");
    const BioPointer key_text(BIO_new(BIO_s_mem()));
    const BioPointer certificate_text(BIO_new(BIO_s_mem()));
    if (PEM_write_bio_PrivateKey(key_text.get(), authority.key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1 ||
        PEM_write_bio_X509(certificate_text.get(), certificate) != 1) {
        return fail_openssl(Errc::internal, "writing the certificate authority");
    }
    // The key last: where it is, both are.
    if (auto result = write_file(folder / "ca.pem", certificate_text.get(), 0644); !result)
        return std::unexpected(result.error());
    if (auto result = write_file(folder / "ca.key", key_text.get(), 0600); !result) return std::unexpected(result.error());
    return authority;
}

Result<Leaf> Authority::issue(const LeafOptions& options) const {
    Leaf leaf;
    leaf.key.reset(EVP_EC_gen("P-256"));
    leaf.certificate.reset(X509_new());
    X509* certificate = leaf.certificate.get();
    std::string alternatives;
    for (const std::string& name : options.names) {
        // Written in OpenSSL's configuration syntax, in which a comma would begin another name.
        if (name.empty() || name.find_first_of(", \t\r\n") != std::string::npos) {
            return fail(Errc::invalid, "'" + name + "' is not a name that a certificate can be made for");
        }
        alternatives += (alternatives.empty() ? "" : ",") + std::string(is_ip_address(name) ? "IP:" : "DNS:") + name;
    }
    if (alternatives.empty()) return fail(Errc::invalid, "a certificate needs a name");
    const bool is_made =
        leaf.key && certificate != nullptr &&
        set_basics(certificate, leaf.key.get(), options.names.front(), options.valid_from_s, options.valid_until_s) &&
        X509_set_issuer_name(certificate, X509_get_subject_name(certificate_.get())) == 1 &&
        add_extension(certificate, certificate_.get(), NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(certificate, certificate_.get(), NID_key_usage, "critical,digitalSignature") &&
        add_extension(certificate, certificate_.get(), NID_ext_key_usage, "serverAuth") &&
        add_extension(certificate, certificate_.get(), NID_subject_key_identifier, "hash") &&
        add_extension(certificate, certificate_.get(), NID_authority_key_identifier, "keyid") &&
        add_extension(certificate, certificate_.get(), NID_subject_alt_name, alternatives) &&
        X509_sign(certificate, key_.get(), EVP_sha256()) > 0;
    if (!is_made) return fail_openssl(Errc::internal, "making a certificate for " + options.names.front());
    return leaf;
}

}  // namespace assent::tls
