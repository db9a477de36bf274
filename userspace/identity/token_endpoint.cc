#include "identity/token_endpoint.h"

#include <fmt/format.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "identity/http.h"
#include "identity/strict_json.h"

namespace assent::identity {
namespace {

using nlohmann::json;

Result<Tokens> ask_for_tokens(Provider& provider, const ClientLogin& client, const FormFields& fields) {
    const auto metadata = provider.metadata();
    if (!metadata) return std::unexpected(metadata.error());
    const auto answer = provider.post_form(metadata->token_endpoint, fields, client);
    if (!answer) return std::unexpected(answer.error());
    // Its own trouble says nothing of the person.
    if (answer->status == status_too_many || answer->status >= status_server_error)
        return fail(Errc::unavailable,
                    fmt::format("{} answered with status {}", shown_text(provider.issuer()), answer->status));
    if (answer->status != status_ok) return refused(provider, answer->body);
    return tokens_of(answer->body);
}

}  // namespace

std::unexpected<Error> refused(const Provider& provider, const json& body) {
    const std::string error = text_or_empty(body, "error");
    const std::string description = text_or_empty(body, "error_description");
    return fail(Errc::denied, fmt::format("{} answered: {}{}{}", shown_text(provider.issuer()),
                                          shown_text(error.empty() ? "an error without a name" : error.substr(0, 100)),
                                          description.empty() ? "" : ": ", shown_text(description.substr(0, 300))));
}

Result<Tokens> tokens_of(const json& body) {
    Tokens out{text_or_empty(body, "access_token"), text_or_empty(body, "id_token"), text_or_empty(body, "refresh_token")};
    if (out.access_token.size() > limits::token_size || out.id_token.size() > limits::token_size ||
        out.refresh_token.size() > limits::token_size)
        return fail(Errc::limit, "the provider gave a token that is too large");
    if (out.access_token.empty() && out.id_token.empty()) return fail(Errc::malformed, "the provider gave no token");
    return out;
}

Result<Tokens> redeem_code(Provider& provider, const ClientLogin& client, FormFields fields) {
    fields.emplace_back("grant_type", "authorization_code");
    return ask_for_tokens(provider, client, fields);
}

Result<Tokens> refresh_tokens(Provider& provider, const ClientLogin& client, const std::string& refresh_token) {
    return ask_for_tokens(provider, client, {{"grant_type", "refresh_token"}, {"refresh_token", refresh_token}});
}

}  // namespace assent::identity
