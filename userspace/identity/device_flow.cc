#include "identity/device_flow.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "identity/http.h"
#include "identity/strict_json.h"

namespace assent::identity {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr std::string_view device_grant = "urn:ietf:params:oauth:grant-type:device_code";

seconds seconds_of(const json& object, const char* name, seconds otherwise) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_number_integer()) return otherwise;
    return seconds(std::clamp<std::int64_t>(found->get<std::int64_t>(), 1, limits::device_login.count()));
}

}  // namespace

Result<DeviceLogin> begin_device_login(Provider& provider, const ClientLogin& client, const std::vector<std::string>& scopes,
                                       const FormFields& extra) {
    const auto metadata = provider.metadata();
    if (!metadata) return std::unexpected(metadata.error());
    if (metadata->device_authorization_endpoint.empty())
        return fail(Errc::unsupported, fmt::format("{} has no login for devices (RFC 8628)", shown_text(provider.issuer())));
    FormFields fields = extra;
    if (!scopes.empty()) fields.emplace_back("scope", fmt::format("{}", fmt::join(scopes, " ")));
    const auto answer = provider.post_form(metadata->device_authorization_endpoint, fields, client);
    if (!answer) return std::unexpected(answer.error());
    if (answer->status != status_ok) return refused(provider, answer->body);
    DeviceLogin out;
    out.verification_uri = text_or_empty(answer->body, "verification_uri");
    out.verification_uri_complete = text_or_empty(answer->body, "verification_uri_complete");
    out.user_code = text_or_empty(answer->body, "user_code");
    out.device_code = text_or_empty(answer->body, "device_code");
    out.expires_in = seconds_of(answer->body, "expires_in", limits::device_login);
    out.interval = seconds_of(answer->body, "interval", out.interval);
    if (out.verification_uri.empty() || out.user_code.empty() || out.device_code.empty())
        return fail(Errc::malformed, "the provider's answer has no code to log in with");
    return out;
}

Result<std::optional<Tokens>> poll_device_login(Provider& provider, const ClientLogin& client, DeviceLogin& login) {
    const auto metadata = provider.metadata();
    if (!metadata) return std::unexpected(metadata.error());
    const auto answer = provider.post_form(
        metadata->token_endpoint, {{"grant_type", std::string(device_grant)}, {"device_code", login.device_code}}, client);
    if (!answer) return std::unexpected(answer.error());
    if (answer->status == status_ok) {
        auto tokens = tokens_of(answer->body);
        if (!tokens) return std::unexpected(std::move(tokens.error()));
        return std::optional(std::move(*tokens));
    }
    const std::string error = text_or_empty(answer->body, "error");
    if (error == "slow_down") login.interval += seconds(5);  // RFC 8628, section 3.5
    if (error == "slow_down" || error == "authorization_pending") return std::optional<Tokens>();
    return refused(provider, answer->body);
}

}  // namespace assent::identity
