#include "app/api_tokens.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <fstream>

#include <fmt/format.h>

#include "base/digest.h"
#include "base/fd.h"
#include "base/limits.h"
#include "record/reader.h"

namespace assent::app {
namespace {

using nlohmann::json;

struct Scope {
    std::string_view name;
    std::array<std::string_view, 4> verbs;
};
constexpr std::array<Scope, 5> all_scopes = {{{"holds", {"holds", "hold", "wait", "approvals"}},
                                              {"records", {"sessions", "replay", "search", ""}},
                                              {"policy", {"policy.show", "explain", "", ""}},
                                              {"status", {"status", "", "", ""}},
                                              {"end", {"end", "", "", ""}}}};
constexpr std::chrono::seconds longest_lifetime = std::chrono::hours(24 * 3653);
constexpr std::string_view verb_of_every_scope = "me";

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
    });
}

std::string random_hex(std::size_t bytes) {
    ByteVector random(bytes);
    fill_random(random);
    return to_hex(random);
}

Result<> check_wish(const ApiTokens::Wish& wish) {
    if (!is_name(wish.name))
        return fail(Errc::invalid, "the name of a token is 1 to 64 letters, digits, dots, dashes and underscores");
    if (wish.scopes.empty()) return fail(Errc::invalid, "a token without a scope may do nothing; name one");
    for (const auto& scope : wish.scopes) {
        if (std::ranges::find(all_scopes, scope, &Scope::name) != all_scopes.end()) continue;
        std::string known;
        for (const auto& each : all_scopes) known += fmt::format("{}{}", known.empty() ? "" : ", ", each.name);
        return fail(Errc::invalid, fmt::format("there is no scope '{}'; there are {}", scope, known));
    }
    if (wish.lifetime < std::chrono::seconds::zero() || wish.lifetime > longest_lifetime)
        return fail(Errc::invalid, "a token is good for ten years at most; without an end, until it is revoked");
    return {};
}

// The whole file or none of it, whatever happens meanwhile.
Result<> replace_file(const std::filesystem::path& file, std::string_view text) {
    const std::string next = file.string() + ".new";
    {
        const Fd out(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!out.is_open()) return fail_errno("open " + next, errno);
        while (!text.empty()) {
            const ssize_t size = ::write(out.get(), text.data(), text.size());
            if (size < 0) return fail_errno("write " + next, errno);
            text.remove_prefix(static_cast<std::size_t>(size));
        }
        if (::fsync(out.get()) != 0) return fail_errno("sync " + next, errno);
    }
    if (::rename(next.c_str(), file.c_str()) != 0) return fail_errno("rename " + next, errno);
    const Fd folder(::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.is_open() || ::fsync(folder.get()) != 0) return fail_errno("sync " + file.parent_path().string(), errno);
    return {};
}

}  // namespace

bool scopes_cover(const std::vector<std::string>& scopes, std::string_view verb) noexcept {
    if (verb == verb_of_every_scope) return true;
    return !verb.empty() && std::ranges::any_of(all_scopes, [&](const Scope& scope) {
        return std::ranges::find(scope.verbs, verb) != scope.verbs.end() &&
               std::ranges::find(scopes, scope.name) != scopes.end();
    });
}

Result<std::unique_ptr<ApiTokens>> ApiTokens::open(const std::filesystem::path& folder, const Clock& clock) {
    auto tokens = std::unique_ptr<ApiTokens>(new ApiTokens(folder / "api-tokens.json", clock));
    if (auto result = tokens->read(); !result) return std::unexpected(std::move(result.error()));
    return tokens;
}

Result<> ApiTokens::read() {
    std::error_code error;
    if (!std::filesystem::exists(file_, error) && !error) return {};
    std::ifstream in(file_);
    try {
        const json document = json::parse(in);
        for (const json& each : document.at("tokens")) {
            Token token;
            token.id = each.at("id");
            token.name = each.at("name");
            token.scopes = each.at("scopes").get<std::vector<std::string>>();
            token.made_by = each.at("made_by");
            const auto made = record::parse_time(each.at("made").get<std::string>(), {});
            if (!made) return fail(Errc::malformed, file_.string() + " has a token without the time it was made");
            token.made = *made;
            if (each.contains("expires")) {
                const auto expires = record::parse_time(each.at("expires").get<std::string>(), {});
                if (!expires) return fail(Errc::malformed, file_.string() + " has a token whose end cannot be read");
                token.expires = *expires;
            }
            tokens_.emplace(each.at("sha256").get<std::string>(), std::move(token));
        }
    } catch (const json::exception& wrong) {
        return fail(Errc::malformed, fmt::format("{} cannot be read: {}", file_.string(), wrong.what()));
    }
    return {};
}

Result<> ApiTokens::write() const {
    json list = json::array();
    for (const auto& [hash, token] : tokens_) {
        json each = shown(token);
        each.erase("last_used");
        each["sha256"] = hash;
        list.push_back(std::move(each));
    }
    return replace_file(file_, json{{"tokens", list}}.dump(1) + "\n");
}

json ApiTokens::shown(const Token& token) {
    json out{{"id", token.id},
             {"name", token.name},
             {"scopes", token.scopes},
             {"made", to_rfc3339(token.made)},
             {"made_by", token.made_by}};
    if (token.expires != WallTime{}) out["expires"] = to_rfc3339(token.expires);
    if (token.last_used != WallTime{}) out["last_used"] = to_rfc3339(token.last_used);
    return out;
}

Result<json> ApiTokens::create(const Wish& wish) {
    if (auto result = check_wish(wish); !result) return std::unexpected(std::move(result.error()));
    const std::scoped_lock lock(mutex_);
    if (tokens_.size() >= limits::api_tokens)
        return fail(Errc::limit, "there are too many tokens; revoke those that nobody uses");
    const bool is_taken = std::ranges::any_of(tokens_, [&](const auto& each) { return each.second.name == wish.name; });
    if (is_taken)
        return fail(Errc::invalid, fmt::format("there is a token '{}'; revoke it, or take another name", wish.name));
    const std::string secret = "assent_" + random_hex(32);
    Token token{"t-" + random_hex(4), wish.name, wish.scopes, wish.made_by, clock_.wall()};
    if (wish.lifetime > std::chrono::seconds::zero()) token.expires = token.made + wish.lifetime;
    const std::string hash = to_hex(sha256(as_bytes(secret)));
    json answer = shown(token);
    answer["token"] = secret;
    tokens_.emplace(hash, std::move(token));
    if (auto result = write(); !result) {
        tokens_.erase(hash);
        return std::unexpected(std::move(result.error()));
    }
    return answer;
}

json ApiTokens::list() const {
    const std::scoped_lock lock(mutex_);
    std::vector<const Token*> sorted;
    for (const auto& [hash, token] : tokens_) sorted.push_back(&token);
    std::ranges::sort(sorted, {}, &Token::made);
    json out = json::array();
    for (const Token* token : sorted) out.push_back(shown(*token));
    return out;
}

Result<json> ApiTokens::revoke(std::string_view id_or_name) {
    const std::scoped_lock lock(mutex_);
    const auto found = std::ranges::find_if(
        tokens_, [&](const auto& each) { return each.second.id == id_or_name || each.second.name == id_or_name; });
    if (found == tokens_.end()) return fail(Errc::not_found, "there is no such token; `assent token list` shows them");
    json answer = shown(found->second);
    auto node = tokens_.extract(found);
    if (auto result = write(); !result) {
        tokens_.insert(std::move(node));  // it is in the file, so it would be good again after a restart
        return std::unexpected(std::move(result.error()));
    }
    return answer;
}

Result<approve::Person> ApiTokens::identify(std::string_view token) {
    const std::string hash = to_hex(sha256(as_bytes(token)));
    const std::scoped_lock lock(mutex_);
    const auto found = tokens_.find(hash);
    if (found == tokens_.end()) return fail(Errc::denied, "this token is unknown, or was revoked");
    Token& known = found->second;
    if (known.expires != WallTime{} && known.expires <= clock_.wall()) return fail(Errc::denied, "this token has expired");
    known.last_used = clock_.wall();
    approve::Person person;
    person.name = "token:" + known.name;
    person.issuer = "assent";
    person.subject = known.id;
    person.scopes = known.scopes;
    return person;
}

}  // namespace assent::app
