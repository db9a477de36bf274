// Asks a provider: one request, an answer of at most limits::provider_answer within limits::provider_timeout, no redirects,
// no cookies, no compression. The only place that uses cpp-httplib here. Private to identity/.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "identity/url.h"

namespace assent::identity {

struct HttpAnswer {
    int status = 0;
    std::string body;
    std::string cache_control;
};

inline constexpr int status_ok = 200;
inline constexpr int status_too_many = 429;
inline constexpr int status_server_error = 500;  // and above

struct HttpForm {
    std::string body;           // application/x-www-form-urlencoded
    std::string authorization;  // the header's value; empty: none
};

// `ca`: the certificates that are trusted instead of the system's. Errors: Errc::unavailable (with why), Errc::limit.
// Blocks. Thread: any.
[[nodiscard]] Result<HttpAnswer> http_get(const Url& url, const std::filesystem::path& ca);
[[nodiscard]] Result<HttpAnswer> http_post(const Url& url, const HttpForm& form, const std::filesystem::path& ca);

}  // namespace assent::identity
