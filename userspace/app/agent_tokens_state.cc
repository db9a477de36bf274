// What is remembered of bindings for a daemon that is started again. No tokens: of one that was given, what was verified.
#include <algorithm>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/agent_tokens.h"
#include "app/state_folder.h"
#include "base/bytes.h"

namespace assent::app {
namespace {

using nlohmann::json;
using std::chrono::seconds;

// Numbers of cgroups mean nothing after the host was started again.
std::string boot_id() {
    std::ifstream in("/proc/sys/kernel/random/boot_id");
    std::string out;
    std::getline(in, out);
    return out;
}

json to_json(const model::AgentToken& token) {
    json actors = json::array();
    for (const auto& actor : token.actors) actors.push_back({{"iss", actor.issuer}, {"sub", actor.subject}});
    json claims = json::array();
    for (const auto& claim : token.claims) claims.push_back({{"path", claim.path}, {"values", claim.values}});
    return {{"issuer", token.issuer},
            {"subject", token.subject},
            {"actors", actors},
            {"claims", claims},
            {"expires", std::chrono::duration_cast<seconds>(token.expires.time_since_epoch()).count()},
            {"renewal", token.renewal},
            {"failure", token.failure}};
}

model::AgentToken token_of(const json& from) {
    model::AgentToken out;
    out.issuer = from.at("issuer").get<std::string>();
    out.subject = from.at("subject").get<std::string>();
    for (const auto& actor : from.at("actors"))
        out.actors.push_back({actor.at("iss").get<std::string>(), actor.at("sub").get<std::string>()});
    for (const auto& claim : from.at("claims"))
        out.claims.push_back(
            {claim.at("path").get<std::vector<std::string>>(), claim.at("values").get<std::vector<std::string>>()});
    out.expires = WallTime(seconds(from.at("expires").get<std::int64_t>()));
    out.renewal = from.at("renewal").get<std::string>();
    out.failure = from.at("failure").get<std::string>();
    return out;
}

}  // namespace

std::string AgentTokens::saved_text() const {
    json bindings = json::array();
    for (const auto& [path, binding] : bindings_) {
        if (binding.source == Binding::Source::unit) continue;
        bindings.push_back({{"cgroup", path},
                            {"cgroup_id", binding.cgroup_id},
                            {"file", binding.file},
                            {"reader", binding.reader},
                            {"token", to_json(*binding.token)}});
    }
    return json{{"boot", boot_id()}, {"bindings", bindings}}.dump();
}

Result<> AgentTokens::save() {
    const std::lock_guard saving(saving_);
    std::string text;
    {
        const std::lock_guard lock(mutex_);
        text = saved_text();
    }
    return replace_file(parts_.state_file, as_bytes(text));
}

Result<> AgentTokens::load() {
    std::ifstream in(parts_.state_file);
    if (!in) return {};
    std::stringstream text;
    text << in.rdbuf();
    try {
        const json saved = json::parse(text.str());
        if (saved.at("boot").get<std::string>() != boot_id()) return {};
        for (const auto& one : saved.at("bindings")) {
            Binding binding;
            binding.cgroup_id = one.at("cgroup_id").get<std::uint64_t>();
            binding.file = one.at("file").get<std::string>();
            binding.reader = one.at("reader").get<uid_t>();
            binding.source = binding.file.empty() ? Binding::Source::given : Binding::Source::file;
            auto token = token_of(one.at("token"));
            const auto* issuer = parts_.issuers.settings().find(token.issuer);
            // What the settings say now counts.
            if (token.failure.empty() && (issuer == nullptr || issuer->audience.empty()))
                token.failure = "its issuer is not in `identity` of this host's settings any more";
            token.finishes_transactions = parts_.issuers.settings().finishes_transactions;
            binding.token = std::make_shared<const model::AgentToken>(std::move(token));
            bindings_.insert_or_assign(one.at("cgroup").get<std::string>(), std::move(binding));
        }
    } catch (const json::exception&) {
        return fail(Errc::invalid,
                    fmt::format("{} is broken: remove it; agents that go on lose their tokens", parts_.state_file.string()));
    }
    return {};
}

}  // namespace assent::app
