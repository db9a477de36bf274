#include "wire/postgres/scram.h"

#include <charconv>
#include <optional>

#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace assent::wire::postgres {
namespace {

constexpr std::size_t nonce_bytes = 18;
constexpr std::uint32_t iterations_limit = 500'000;  // more would keep the flow's thread for longer than 0.2 s
constexpr std::size_t server_message_limit = 4096;
constexpr std::string_view no_channel_binding = "n,,";
constexpr std::string_view no_channel_binding_base64 = "biws";

const unsigned char* raw(Bytes bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

std::string to_base64(Bytes bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), raw(bytes), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

std::optional<ByteVector> from_base64(std::string_view text) {
    if (text.empty() || text.size() % 4 != 0) return std::nullopt;
    ByteVector out(text.size() / 4 * 3);
    const int size =
        EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), raw(as_bytes(text)), static_cast<int>(text.size()));
    if (size < 0) return std::nullopt;
    // The decoder counts the padding as zeros.
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    out.resize(static_cast<std::size_t>(size) - padding);
    return out;
}

// Takes "x=value" from the front of `text`, with the comma behind it.
std::optional<std::string_view> attribute(std::string_view& text, char name) {
    if (text.size() < 2 || text[0] != name || text[1] != '=') return std::nullopt;
    text.remove_prefix(2);
    const std::string_view value = text.substr(0, text.find(','));
    text.remove_prefix(std::min(value.size() + 1, text.size()));
    return value;
}

std::optional<Digest> salted_password(std::string_view password, Bytes salt, std::uint32_t iterations) {
    Digest out{};
    const int is_done = PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), raw(salt),
                                          static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                                          static_cast<int>(out.size()), reinterpret_cast<unsigned char*>(out.data()));
    if (is_done != 1) return std::nullopt;
    return out;
}

std::string md5_hex(std::string_view first, Bytes second) {
    ByteVector input;
    append(input, as_bytes(first));
    append(input, second);
    std::array<std::byte, 16> out{};
    unsigned size = 0;
    if (EVP_Digest(input.data(), input.size(), reinterpret_cast<unsigned char*>(out.data()), &size, EVP_md5(), nullptr) != 1)
        return {};
    return to_hex(out);
}

}  // namespace

ScramClient::ScramClient(std::string user, std::string password, std::string nonce)
    : user_(std::move(user)), password_(std::move(password)), nonce_(std::move(nonce)) {}

ScramClient::~ScramClient() { OPENSSL_cleanse(password_.data(), password_.size()); }

std::string ScramClient::first_message() const { return std::string(no_channel_binding) + "n=" + user_ + ",r=" + nonce_; }

Result<std::string> ScramClient::final_message(std::string_view server_first) {
    const auto malformed = [] { return fail(Errc::malformed, "the server's SCRAM message is malformed"); };
    if (server_first.size() > server_message_limit) return malformed();
    std::string_view rest = server_first;
    const auto nonce = attribute(rest, 'r');
    const auto salt_text = nonce ? attribute(rest, 's') : std::nullopt;
    const auto count_text = salt_text ? attribute(rest, 'i') : std::nullopt;
    if (!count_text || !nonce->starts_with(nonce_) || nonce->size() == nonce_.size()) return malformed();
    const auto salt = from_base64(*salt_text);
    std::uint32_t iterations = 0;
    const auto* end = count_text->data() + count_text->size();
    const auto read = std::from_chars(count_text->data(), end, iterations);
    if (!salt || read.ec != std::errc{} || read.ptr != end || iterations == 0) return malformed();
    if (iterations > iterations_limit)
        return fail(Errc::limit, "the server asks for more SCRAM iterations than are allowed");

    const auto salted = salted_password(password_, *salt, iterations);
    if (!salted) return fail(Errc::internal, "SCRAM key derivation failed");
    const Digest client_key = hmac_sha256(*salted, as_bytes("Client Key"));
    const Digest stored_key = sha256(client_key);
    const std::string without_proof = "c=" + std::string(no_channel_binding_base64) + ",r=" + std::string(*nonce);
    const std::string signed_text =
        first_message().substr(no_channel_binding.size()) + "," + std::string(server_first) + "," + without_proof;
    const Digest signature = hmac_sha256(stored_key, as_bytes(signed_text));
    Digest proof = client_key;
    for (std::size_t i = 0; i < proof.size(); ++i) proof[i] ^= signature[i];
    const Digest server_key = hmac_sha256(*salted, as_bytes("Server Key"));
    server_signature_ = to_base64(hmac_sha256(server_key, as_bytes(signed_text)));
    return without_proof + ",p=" + to_base64(proof);
}

bool ScramClient::verify(std::string_view server_final) const {
    std::string_view rest = server_final;
    const auto signature = attribute(rest, 'v');
    return !server_signature_.empty() && signature && signature->size() == server_signature_.size() &&
           CRYPTO_memcmp(signature->data(), server_signature_.data(), signature->size()) == 0;
}

std::string make_nonce() {
    std::array<std::byte, nonce_bytes> bytes{};
    fill_random(bytes);
    return to_base64(bytes);
}

std::string md5_password(std::string_view user, std::string_view password, Bytes salt) {
    const std::string inner = md5_hex(password, as_bytes(user));
    return "md5" + md5_hex(inner, salt);
}

}  // namespace assent::wire::postgres
