#include "record/search.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "base/limits.h"
#include "base/shown_text.h"
#include "model/record.h"
#include "record/reader.h"

namespace assent::record {
namespace {

using nlohmann::json;
using Leaf = nlohmann::ordered_json;

constexpr std::size_t around = 60;  // bytes of an excerpt on either side

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

struct Match {
    std::string where;
    std::string excerpt;
};

class Needle {
public:
    explicit Needle(std::string text) : text_(std::move(text)) { std::ranges::transform(text_, text_.begin(), lower); }

    [[nodiscard]] std::size_t find_in(std::string_view hay) const {
        const auto found =
            std::search(hay.begin(), hay.end(), text_.begin(), text_.end(), [](char a, char b) { return lower(a) == b; });
        return found == hay.end() ? std::string_view::npos : static_cast<std::size_t>(found - hay.begin());
    }

    // The text around the match, cut at whole characters.
    [[nodiscard]] std::optional<std::string> excerpt(std::string_view hay) const {
        const auto at = find_in(hay);
        if (at == std::string_view::npos) return std::nullopt;
        std::size_t begin = at > around ? at - around : 0;
        std::size_t end = std::min(hay.size(), at + text_.size() + around);
        while (begin < at && is_continuation(hay[begin])) ++begin;
        while (end < hay.size() && is_continuation(hay[end])) ++end;
        return (begin > 0 ? "…" : "") + std::string(hay.substr(begin, end - begin)) + (end < hay.size() ? "…" : "");
    }

    // The same inside of a JSON string.
    [[nodiscard]] Needle escaped() const {
        std::string quoted;
        append_json_string(quoted, text_);
        return Needle(quoted.substr(1, quoted.size() - 2));
    }

private:
    std::string text_;
};

// The first text under this value that matches; `path` is the way to it.
std::optional<Match> match_value(const Leaf& value, const Needle& needle, const std::string& path, bool is_leaf) {
    if (value.is_string()) {
        auto excerpt = needle.excerpt(value.get_ref<const std::string&>());
        if (excerpt) return Match{path, std::move(*excerpt)};
        return std::nullopt;
    }
    if (!value.is_structured()) return std::nullopt;
    for (const auto& [key, inner] : value.items()) {
        if (is_leaf && (key == "bodies" || key == "time" || key == "type")) continue;
        const std::string next = !value.is_object() ? path : path.empty() ? key : path + "." + key;
        if (auto match = match_value(inner, needle, next, false)) return match;
    }
    return std::nullopt;
}

class Searcher {
public:
    Searcher(const SearchFilter& filter, const std::function<bool(const json&)>& each)
        : filter_(filter), each_(each), needle_(filter.text), escaped_(needle_.escaped()) {}

    // False: enough.
    bool see(const Entry& entry, SearchResult& out) {
        note_session(entry);
        if (!is_wanted(entry)) return true;
        const bool may_match_leaf = escaped_.find_in(entry.leaf) != std::string_view::npos;
        const bool may_match_body = std::ranges::any_of(entry.bodies, [this](const Entry::Body& body) {
            return needle_.find_in(as_text(body.bytes)) != std::string_view::npos;
        });
        if (!may_match_leaf && !may_match_body) return true;
        const auto leaf = parse_leaf(entry.leaf);
        if (!leaf || !has_verdict(entry, *leaf)) return true;
        if (!filter_.agent.empty() && agent_of(entry, *leaf) != filter_.agent) return true;
        auto match = may_match_body ? match_bodies(entry, *leaf) : std::nullopt;
        if (!match) match = match_value(*leaf, needle_, "", true);
        if (!match) return true;
        if (out.matches == filter_.limit) {
            out.is_cut = true;
            return false;
        }
        ++out.matches;
        return each_(shown(entry, *leaf, *match));
    }

private:
    struct Opened {
        std::string agent;
        std::string target;
    };

    void note_session(const Entry& entry) {
        if (entry.start.type == model::record_type::flow_closed) closed_.emplace_back(entry.start.session);
        if (entry.start.type != model::record_type::flow_opened) return;
        // Late records of a closed session still want its agent's name, so names go in order, and late.
        constexpr std::size_t kept_names = 100'000;
        if (opened_.size() >= kept_names && !closed_.empty()) {
            opened_.erase(closed_.front());
            closed_.pop_front();
        }
        if (opened_.size() >= kept_names) return;
        const auto leaf = parse_leaf(entry.leaf);
        if (!leaf) return;
        Opened& opened = opened_[std::string(entry.start.session)];
        opened.target = leaf->value("/target"_json_pointer, Leaf()).is_string() ? (*leaf)["target"].get<std::string>() : "";
        const auto name = leaf->value("/agent/name"_json_pointer, Leaf());
        if (name.is_string()) opened.agent = name.get<std::string>();
    }

    [[nodiscard]] const Opened& opened_of(const Entry& entry) const {
        static const Opened nothing;
        const auto found = opened_.find(std::string(entry.start.session));
        return found == opened_.end() ? nothing : found->second;
    }

    [[nodiscard]] bool is_wanted(const Entry& entry) const {
        if (!filter_.session.empty() && !entry.start.session.starts_with(filter_.session)) return false;
        if (filter_.since && parse_time(entry.start.time, {}).value_or(WallTime::max()) < *filter_.since) return false;
        if (filter_.until && parse_time(entry.start.time, {}).value_or(WallTime::min()) >= *filter_.until) return false;
        if (!filter_.verdict.empty() && entry.start.type != model::record_type::command) return false;
        if (!filter_.target.empty() && opened_of(entry).target != filter_.target) return false;
        return filter_.agent.empty() || entry.start.session.empty() || opened_of(entry).agent == filter_.agent;
    }

    [[nodiscard]] bool has_verdict(const Entry& entry, const Leaf& leaf) const {
        if (filter_.verdict.empty() || entry.start.type != model::record_type::command) return true;
        const auto decision = leaf.find("decision");
        return decision != leaf.end() && decision->is_string() && decision->get_ref<const std::string&>() == filter_.verdict;
    }

    [[nodiscard]] std::optional<Match> match_bodies(const Entry& entry, const Leaf& leaf) const {
        const auto named = leaf.find("bodies");
        if (named == leaf.end() || !named->is_object()) return std::nullopt;
        std::size_t index = 0;
        for (const auto& [name, about] : named->items()) {
            if (index == entry.bodies.size()) break;
            const auto& body = entry.bodies[index++];
            if (auto excerpt = body.is_erased ? std::nullopt : needle_.excerpt(as_text(body.bytes)))
                return Match{name, std::move(*excerpt)};
        }
        return std::nullopt;
    }

    // Attempts, lookups and sockets from before belong to no session: they name their agent themselves.
    [[nodiscard]] std::string agent_of(const Entry& entry, const Leaf& leaf) const {
        const auto type = entry.start.type;
        const bool names_agent = type == model::record_type::attempt || type == model::record_type::lookup ||
                                 type == model::record_type::socket_before;
        if (!names_agent) return opened_of(entry).agent;
        const auto named = leaf.find("agent");
        return named != leaf.end() && named->is_string() ? named->get<std::string>() : std::string();
    }

    [[nodiscard]] json shown(const Entry& entry, const Leaf& leaf, const Match& match) const {
        std::string excerpt;
        append_json_string(excerpt, match.excerpt);
        return {{"seq", entry.seq},
                {"time", entry.start.time},
                {"type", entry.start.type},
                {"session", entry.start.session},
                {"agent", agent_of(entry, leaf)},
                {"target", opened_of(entry).target},
                {"where", match.where},
                {"excerpt", json::parse(excerpt, nullptr, false)}};
    }

    const SearchFilter& filter_;
    const std::function<bool(const json&)>& each_;
    Needle needle_;
    Needle escaped_;
    std::unordered_map<std::string, Opened> opened_;  // by session
    std::deque<std::string> closed_;                  // oldest first
};

}  // namespace

Result<SearchResult> search_records(const std::filesystem::path& folder, const SearchFilter& filter,
                                    const std::function<bool(const json&)>& each) {
    if (filter.text.empty()) return fail(Errc::invalid, "there is nothing to search for: give a text");
    ReadOptions options;
    options.wants_bodies = true;
    // Agent and target are named where a session begins, which may be long ago.
    if (filter.agent.empty() && filter.target.empty()) options.since = filter.since;
    auto reader = Reader::open(folder, options);
    if (!reader) return std::unexpected(reader.error());
    Searcher searcher(filter, each);
    SearchResult out;
    for (;;) {
        const auto entry = reader->next();
        if (!entry && entry.error().code != Errc::malformed) return std::unexpected(entry.error());
        if (!entry) {
            out.warnings.push_back(entry.error().message);
            continue;
        }
        if (!*entry || !searcher.see(**entry, out)) return out;
    }
}

}  // namespace assent::record
