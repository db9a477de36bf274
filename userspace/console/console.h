// The console: who is let in, what they are given, and nothing else. It has no rights of its own: what it asks of the daemon
// it asks with the token of whoever is signed in. Thread: any.
#pragma once

#include <chrono>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "console/api.h"
#include "console/exchange.h"
#include "console/rate.h"
#include "console/sessions.h"
#include "console/sign_in.h"

namespace assent::console {

// A file of the web application.
struct Asset {
    std::string_view path;  // "/assets/index-4f2a.js"
    std::string_view type;
    std::string_view bytes;
};

struct ConsoleOptions {
    std::string public_url;        // as in the settings
    std::filesystem::path socket;  // the daemon's
    std::chrono::seconds idle{1800};
    std::chrono::seconds longest{43200};
    std::vector<SignInProvider> providers;
    std::span<const Asset> assets;  // live as long as the program; "/index.html" is for every place of the application
    std::string_view openapi;       // likewise
};

class Console {
public:
    Console(const Clock& clock, ConsoleOptions options);
    [[nodiscard]] Response handle(const Request& request);

private:
    [[nodiscard]] Response route(const Request& request);
    [[nodiscard]] Response sign_in(const Request& request);
    [[nodiscard]] Response sign_in_done(const Request& request);
    [[nodiscard]] Response sign_out(const Request& request);
    [[nodiscard]] Response api(const Request& request, std::string_view place);
    [[nodiscard]] Response asset(const Request& request) const;
    [[nodiscard]] Response providers() const;
    // Whether a request that changes something, or reads for another site, is the application's own.
    [[nodiscard]] bool is_own(const Request& request, const Session& session) const;

    // Gets the provider's word anew where it is old: then the person's groups are those of now. Errc::denied: the session is
    // over; Errc::unavailable: the provider does not answer, and what it gave before has expired.
    [[nodiscard]] Result<> keep_signed_in(const std::string& id, Session& session);
    [[nodiscard]] Result<> renew(const std::string& id, Session& session);

    const Clock& clock_;
    ConsoleOptions options_;
    std::string host_;  // of the public URL, as browsers send it
    Sessions sessions_;
    SignIn sign_in_;
    Api api_;
    Rate requests_;   // of sessions and tokens
    Rate addresses_;  // several people may share one
    Rate sign_ins_;
};

}  // namespace assent::console
