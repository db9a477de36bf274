// targets and credentials: where, and as whom.
#include <algorithm>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "policy/decode.h"
#include "policy/spelling.h"

namespace assent::policy {
namespace {

void decode_protocol(MapReader& map, Target& target, Reporter& report) {
    const YamlNode* node = map.required("protocol");
    if (node == nullptr) return;
    const auto choice =
        read_choice(*node, "'protocol'", {"tcp", "postgres", "mysql", "redis", "http", "kubernetes", "ssh"}, report);
    if (choice && *choice > 1) report.mistake(node->at, fmt::format("protocol '{}' is not yet supported", node->text));
    if (choice == 1) target.protocol = Protocol::postgres;
}

void decode_tls(const YamlNode& node, Target& target, Reporter& report) {
    MapReader map(node, "'tls'", report);
    bool is_known = false;
    if (const YamlNode* upstream = map.required("upstream")) {
        const auto choice = read_choice(*upstream, "'upstream'", {"disable", "require", "verify-full"}, report);
        is_known = choice.has_value();
        if (choice) target.tls = static_cast<UpstreamTls>(*choice);
    }
    if (const YamlNode* ca = map.optional("ca")) target.tls_ca = read_path(*ca, "'ca'", report).value_or("");
    if (const YamlNode* name = map.optional("name")) target.tls_name = read_text(*name, "'name'", report).value_or("");
    map.finish();
    if (target.tls == UpstreamTls::verify_full) {
        if (!target.tls_name.empty()) return;
        const bool has_one_host = target.addresses.size() == 1 && !target.addresses[0].host.empty();
        if (has_one_host) {
            target.tls_name = target.addresses[0].host;
        } else {
            report.mistake(node.at, "verify-full needs 'name': the name that the server's certificate has to be for");
        }
    } else if (is_known && (!target.tls_ca.empty() || !target.tls_name.empty())) {
        report.mistake(node.at, "'ca' and 'name' are checked by verify-full only; write 'upstream: verify-full'");
    }
}

void refuse_for_tcp(MapReader& map, const YamlNode& node, Reporter& report) {
    for (const auto& member : node.members) {
        if (member.key != "databases" && member.key != "tls" && member.key != "credential") continue;
        (void)map.optional(member.key);
        report.mistake(member.key_at,
                       fmt::format("a tcp target is relayed and not understood, so it has no '{}'", member.key));
    }
}

void decode_postgres(MapReader& map, Target& target, Decoding& decoding) {
    if (const YamlNode* databases = map.optional("databases")) {
        target.databases = plain_texts(read_texts(*databases, "'databases'", decoding.report));
        if (std::find(target.databases.begin(), target.databases.end(), "any") != target.databases.end())
            target.databases.clear();
    }
    if (const YamlNode* tls = map.optional("tls")) decode_tls(*tls, target, decoding.report);
    const YamlNode* credential = map.optional("credential");
    if (credential == nullptr) return;
    target.credential = read_text(*credential, "'credential'", decoding.report).value_or("");
    if (target.credential.empty()) return;
    decoding.content.references.push_back({Reference::Kind::credential, target.credential, decoding.place(credential->at)});
    const bool is_local = std::all_of(target.addresses.begin(), target.addresses.end(), [](const TargetAddress& address) {
        if (!address.unix_name.empty()) return true;
        if (!address.network) return address.host == "localhost";
        return address.network->is_loopback() && address.prefix_bits >= (address.network->is_v6 ? 128U : 8U);
    });
    if (target.tls != UpstreamTls::verify_full && !is_local) {
        decoding.report.mistake(
            credential->at,
            "a credential is given only to a server that is known: write 'tls: {upstream: verify-full, …}', or use "
            "loopback addresses and unix sockets only");
    }
}

Target decode_target(const std::string& name, const YamlNode& node, Decoding& decoding) {
    Reporter& report = decoding.report;
    Target target;
    target.name = name;
    MapReader map(node, fmt::format("target '{}'", name), report);
    decode_protocol(map, target, report);
    if (const YamlNode* addresses = map.required("addresses")) {
        if (addresses->kind != YamlNode::Kind::list || addresses->items.empty()) {
            report.mistake(addresses->at, "'addresses' has to be a list of at least one HOST:PORT");
        }
        for (const auto& item : addresses->items) {
            auto address = read_address(item, report);
            if (!address) continue;
            decoding.content.addresses.push_back({name, *address, decoding.place(item.at)});
            target.addresses.push_back(std::move(*address));
        }
    }
    if (target.protocol == Protocol::tcp) {
        refuse_for_tcp(map, node, report);
    } else {
        decode_postgres(map, target, decoding);
    }
    map.finish();
    return target;
}

Credential decode_credential(const std::string& name, const YamlNode& node, Decoding& decoding) {
    Reporter& report = decoding.report;
    Credential out;
    out.name = name;
    MapReader map(node, fmt::format("credential '{}'", name), report);
    const YamlNode* postgres = map.required("postgres");
    map.finish();
    if (postgres == nullptr) return out;
    MapReader login(*postgres, "'postgres'", report);
    if (const YamlNode* user = login.required("user")) out.user = read_text(*user, "'user'", report).value_or("");
    if (const YamlNode* password = login.required("password")) {
        MapReader source(*password, "'password'", report);
        source.unsupported("env", "a password from the environment ('env')");
        source.unsupported("systemd", "a password from systemd ('systemd')");
        if (const YamlNode* file = source.optional("file")) {
            out.password_file = read_path(*file, "'file'", report).value_or("");
        } else if (source.is_map() && password->members.empty()) {
            report.mistake(password->at, "'password' needs 'file': where the password is kept");
        }
        source.finish();
    }
    login.finish();
    return out;
}

}  // namespace

void decode_targets(const YamlNode& node, Decoding& decoding) {
    const MapReader map(node, "'targets'", decoding.report);
    for (const auto& member : node.members) {
        if (!check_name(member.key, member.key_at, "a target", decoding.report)) continue;
        if (!decoding.define("target", member.key, member.key_at)) continue;
        decoding.content.targets.push_back(decode_target(member.key, member.value, decoding));
    }
}

void decode_credentials(const YamlNode& node, Decoding& decoding) {
    const MapReader map(node, "'credentials'", decoding.report);
    for (const auto& member : node.members) {
        if (!check_name(member.key, member.key_at, "a credential", decoding.report)) continue;
        if (!decoding.define("credential", member.key, member.key_at)) continue;
        decoding.content.credentials[member.key] = decode_credential(member.key, member.value, decoding);
    }
}

}  // namespace assent::policy
