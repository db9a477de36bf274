#include "record/filters.h"

#include <array>

#include <fmt/format.h>

#include "record/reader.h"

namespace assent::record {
namespace {

using nlohmann::json;

constexpr std::size_t most_sessions = 10'000;
constexpr std::size_t most_matches = 100'000;
constexpr std::array<std::string_view, 3> verdicts = {"allow", "hold", "deny"};

// Reads members of one request; the first mistake stays.
class Members {
public:
    Members(const json& request, WallTime now) : request_(request), now_(now) {}

    void text(const char* key, std::string& out) {
        auto read = text_member(request_, key);
        if (read)
            out = std::move(*read);
        else
            wrong(std::move(read.error()));
    }
    void time(const char* key, std::optional<WallTime>& out) {
        std::string written;
        text(key, written);
        if (written.empty()) return;
        out = parse_time(written, now_);
        if (!out) {
            wrong(
                {Errc::invalid,
                 fmt::format("'{}' is no time: write 2026-11-22, 2026-11-22T14:29, or an age such as 12h or 7d", written)});
        }
    }
    void verdict(std::string& out) {
        text("verdict", out);
        if (out.empty() || std::ranges::find(verdicts, out) != verdicts.end()) return;
        wrong({Errc::invalid, fmt::format("'{}' is no verdict: write allow, hold or deny", out)});
    }
    void limit(std::size_t most, std::size_t& out) {
        const auto found = request_.find("limit");
        if (found == request_.end() || found->is_null()) return;
        const bool is_number = found->is_number_integer() && found->get<std::int64_t>() > 0;
        if (!is_number || found->get<std::uint64_t>() > most)
            return wrong({Errc::invalid, fmt::format("'limit' has to be a number from 1 to {}", most)});
        out = found->get<std::size_t>();
    }
    template <typename Filter>
    Result<Filter> result(Filter filter) {
        if (mistake_) return std::unexpected(std::move(*mistake_));
        if (filter.since && filter.until && *filter.since >= *filter.until)
            return fail(Errc::invalid, "'since' is not before 'until', so nothing can be between them");
        return filter;
    }

private:
    void wrong(Error error) {
        if (!mistake_) mistake_ = std::move(error);
    }

    const json& request_;
    WallTime now_;
    std::optional<Error> mistake_;
};

}  // namespace

Result<std::string> text_member(const json& request, const char* key) {
    const auto found = request.find(key);
    if (found == request.end() || found->is_null()) return std::string();
    if (!found->is_string()) return fail(Errc::invalid, fmt::format("'{}' has to be a text", key));
    return found->get<std::string>();
}

Result<SessionFilter> session_filter(const json& request, WallTime now) {
    SessionFilter filter;
    Members members(request, now);
    members.time("since", filter.since);
    members.time("until", filter.until);
    members.text("agent", filter.agent);
    members.text("target", filter.target);
    members.verdict(filter.verdict);
    members.limit(most_sessions, filter.limit);
    return members.result(std::move(filter));
}

Result<SearchFilter> search_filter(const json& request, WallTime now) {
    SearchFilter filter;
    Members members(request, now);
    members.text("text", filter.text);
    members.time("since", filter.since);
    members.time("until", filter.until);
    members.text("session", filter.session);
    members.text("agent", filter.agent);
    members.text("target", filter.target);
    members.verdict(filter.verdict);
    members.limit(most_matches, filter.limit);
    return members.result(std::move(filter));
}

}  // namespace assent::record
