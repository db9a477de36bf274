#include "record/session_list.h"

#include <algorithm>
#include <deque>
#include <set>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/limits.h"
#include "model/record.h"
#include "record/reader.h"
#include "record/session_cut.h"

namespace assent::record {
namespace {

using nlohmann::json;
using Leaf = nlohmann::ordered_json;

constexpr std::size_t looked_at = 100'000;  // the newest sessions, while they are narrowed by a verdict

void copy(json& out, const Leaf& from, const char* key) {
    const auto found = from.find(key);
    if (found != from.end() && (found->is_string() || found->is_number() || found->is_boolean())) out[key] = *found;
}

void count(json& row, const char* key) { row[key] = row.value(key, 0) + 1; }

bool is_text(const Leaf& leaf, const char* key, std::string_view text) {
    const auto found = leaf.find(key);
    return found != leaf.end() && found->is_string() && found->get_ref<const std::string&>() == text;
}

class Collector {
public:
    explicit Collector(const SessionFilter& filter) : filter_(filter) {}

    void see(const Entry& entry) {
        namespace type = model::record_type;
        if (const auto cut = cuts_.see(entry); cut) cut_open(*cut);
        const std::string session(entry.start.session);
        if (session.empty()) return;
        if (entry.start.type == type::flow_opened) return open(entry, session);
        const auto found = rows_.find(session);
        if (found == rows_.end()) return;
        const bool tells = entry.start.type == type::command || entry.start.type == type::flow_closed ||
                           entry.start.type == type::hold_opened || entry.start.type == type::outcome;
        const auto leaf = tells ? parse_leaf(entry.leaf) : std::nullopt;
        if (leaf) add(found->second, entry, *leaf);
    }

    std::vector<json> take() {
        std::vector<json> out;
        for (const auto& session : order_) {
            if (is_wanted(session)) out.push_back(std::move(rows_[session]));
        }
        if (out.size() > filter_.limit) out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(filter_.limit));
        return out;
    }

private:
    void open(const Entry& entry, const std::string& session) {
        const auto leaf = parse_leaf(entry.leaf);
        if (!leaf) return;
        if (filter_.since && parse_time(entry.start.time, {}).value_or(WallTime::min()) < *filter_.since) return;
        if (filter_.until && parse_time(entry.start.time, {}).value_or(WallTime::max()) >= *filter_.until) return;
        if (!filter_.target.empty() && !is_text(*leaf, "target", filter_.target)) return;
        json row = {{"session", session}, {"opened", entry.start.time}, {"commands", 0}, {"denied", 0}, {"held", 0},
                    {"errors", 0}};
        copy(row, *leaf, "target");
        copy(row, *leaf, "asked_for");
        const auto agent = leaf->find("agent");
        const bool has_agent = agent != leaf->end() && agent->is_object();
        if (!filter_.agent.empty() && !(has_agent && is_text(*agent, "name", filter_.agent))) return;
        if (has_agent) {
            for (const char* key : {"uid", "exe", "purpose", "pid", "runner"}) copy(row, *agent, key);
            if (agent->contains("name") && (*agent)["name"].is_string()) row["agent"] = (*agent)["name"];
        }
        if (!rows_.emplace(session, std::move(row)).second) return;
        open_.insert(session);
        order_.push_back(session);
        make_room();
    }

    // Its commands decide whether a session is wanted, so more than the limit are kept until they are known.
    void make_room() {
        const std::size_t most = filter_.verdict.empty() ? filter_.limit : looked_at;
        if (order_.size() <= most) return;
        rows_.erase(order_.front());
        judged_.erase(order_.front());
        open_.erase(order_.front());
        order_.pop_front();
    }

    void cut_open(const SessionCut& cut) {
        for (const auto& session : std::exchange(open_, {})) {
            json& row = rows_[session];
            row["cut"] = cut.before;
            row["cut_after"] = cut.after;
            row["why"] = cut.why;
        }
    }

    [[nodiscard]] bool is_wanted(const std::string& session) const {
        return filter_.verdict.empty() || judged_.contains(session);
    }

    void add(json& row, const Entry& entry, const Leaf& leaf) {
        namespace type = model::record_type;
        if (entry.start.type == type::command) {
            if (!is_text(leaf, "kind", "startup")) count(row, "commands");
            if (is_text(leaf, "enforced", "deny")) count(row, "denied");
            if (!filter_.verdict.empty() && is_text(leaf, "decision", filter_.verdict)) judged_.emplace(entry.start.session);
            copy(row, leaf, "database");
            copy(row, leaf, "user");
        } else if (entry.start.type == type::hold_opened) {
            count(row, "held");
        } else if (entry.start.type == type::outcome) {
            if (leaf.contains("error")) count(row, "errors");
        } else {
            // Its end may be told late, after the record of the daemon's stop.
            row.erase("cut");
            row.erase("cut_after");
            row["closed"] = entry.start.time;
            open_.erase(std::string(entry.start.session));
            for (const char* key : {"why", "violation", "bytes_in", "bytes_out", "duration_us"}) copy(row, leaf, key);
        }
    }

    const SessionFilter& filter_;
    std::unordered_map<std::string, json> rows_;  // bounded by make_room()
    std::deque<std::string> order_;               // as they were opened
    std::set<std::string> open_;                  // of rows_: those whose end is not known yet
    CutWatch cuts_;
    std::set<std::string> judged_;  // of rows_: those with a command of the wanted verdict
};

}  // namespace

Result<SessionList> list_sessions(const std::filesystem::path& folder, const SessionFilter& filter) {
    ReadOptions options;
    options.since = filter.since;
    auto reader = Reader::open(folder, options);
    if (!reader) return std::unexpected(reader.error());
    Collector collector(filter);
    SessionList out;
    for (;;) {
        auto entry = reader->next();
        if (!entry) {
            if (entry.error().code != Errc::malformed) return std::unexpected(entry.error());
            out.warnings.push_back(entry.error().message);
            continue;
        }
        if (!*entry) break;
        collector.see(**entry);
    }
    out.sessions = collector.take();
    return out;
}

Result<std::string> find_session(const std::filesystem::path& folder, std::string_view prefix) {
    constexpr std::size_t shown = 5;
    auto reader = Reader::open(folder);
    if (!reader) return std::unexpected(reader.error());
    std::set<std::string> found;
    for (;;) {
        const auto entry = reader->next();
        if (!entry && entry.error().code != Errc::malformed) return std::unexpected(entry.error());
        if (!entry) continue;
        if (!*entry) break;
        const auto session = (*entry)->start.session;
        if (session.empty() || !session.starts_with(prefix)) continue;
        if (session == prefix) return std::string(prefix);
        if (found.size() <= shown) found.emplace(session);
    }
    if (found.empty())
        return fail(Errc::not_found, fmt::format("the log has no session '{}'; `assent sessions` lists them", prefix));
    if (found.size() == 1) return *found.begin();
    return fail(Errc::invalid, fmt::format("several sessions begin with '{}': {}{}", prefix, fmt::join(found, ", "),
                                           found.size() > shown ? ", …" : ""));
}

}  // namespace assent::record
