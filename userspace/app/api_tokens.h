// Tokens for automation: made by root, stored as hashes, good for what their scopes say. None of them lets anybody answer a
// hold: decisions are people's. Thread: any.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/hold_requests.h"
#include "approve/desk.h"
#include "base/result.h"
#include "base/time.h"
#include "control/server.h"

namespace assent::app {

class ApiTokens {
public:
    // Of the file `api-tokens.json` in `folder`, which need not be there. Errc::malformed: it is not one of ours.
    [[nodiscard]] static Result<std::unique_ptr<ApiTokens>> open(const std::filesystem::path& folder, const Clock& clock);

    struct Wish {
        std::string name;
        std::vector<std::string> scopes;
        std::string made_by;
        std::chrono::seconds lifetime{};  // zero: until it is revoked
    };
    // {id, name, scopes, expires?, token}: the only time that the token itself is shown. Errc::invalid: a scope that does
    // not exist, a name that is taken or is none; Errc::limit: there are too many.
    [[nodiscard]] Result<nlohmann::json> create(const Wish& wish);
    // {id, name, scopes, made, made_by, expires?, last_used?} of each.
    [[nodiscard]] nlohmann::json list() const;
    // By id or name; gives what list() says of it.
    [[nodiscard]] Result<nlohmann::json> revoke(std::string_view id_or_name);

    // Whether it has the form of such a token.
    [[nodiscard]] static bool is_one(std::string_view token) noexcept { return token.starts_with("assent_"); }
    // Errc::denied: unknown, revoked or expired.
    [[nodiscard]] Result<approve::Person> identify(std::string_view token);

private:
    struct Token {
        std::string id;
        std::string name;
        std::vector<std::string> scopes;
        std::string made_by;
        WallTime made;
        WallTime expires{};  // the beginning of time: never
        WallTime last_used{};
    };
    ApiTokens(std::filesystem::path file, const Clock& clock) : file_(std::move(file)), clock_(clock) {}
    [[nodiscard]] Result<> read();
    [[nodiscard]] Result<> write() const;
    [[nodiscard]] static nlohmann::json shown(const Token& token);

    std::filesystem::path file_;
    const Clock& clock_;
    mutable std::mutex mutex_;
    std::map<std::string, Token, std::less<>> tokens_;  // by the hash of the token, in hexadecimal
};

// Whether a token with these scopes may ask the verb; what is in no scope, none may.
[[nodiscard]] bool scopes_cover(const std::vector<std::string>& scopes, std::string_view verb) noexcept;

// Before server.start(). For root of this host; recorded (administered). The verbs:
//   token.create {name, scopes, lifetime_s?}   as create()
//   token.list   {}                            {"tokens": […]}
//   token.revoke {which}                       as list() says of it
void add_token_requests(control::Server& server, ApiTokens& tokens, DurableRecord record);

}  // namespace assent::app
