#include "record/segment.h"

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "base/json_writer.h"
#include "base/limits.h"
#include "record/encoding.h"
#include "record/frame.h"

namespace assent::record {
namespace {

constexpr std::size_t digits = 20;
constexpr std::string_view format_name = "assent-log-1";

// Takes `prefix` off, or says no.
bool take(std::string_view& rest, std::string_view prefix) noexcept {
    if (!rest.starts_with(prefix)) return false;
    rest.remove_prefix(prefix.size());
    return true;
}

// Takes the text up to the next quote. Escapes never stand in these members, so none is understood.
std::optional<std::string_view> take_text(std::string_view& rest) noexcept {
    const auto end = rest.find('"');
    if (end == std::string_view::npos) return std::nullopt;
    const auto text = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    return text;
}

}  // namespace

std::string segment_file(std::uint64_t first, std::string_view suffix) { return fmt::format("{:020}{}", first, suffix); }

Result<std::vector<SegmentName>> list_segments(const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::directory_iterator entries(folder, error);
    if (error) return fail(Errc::not_found, fmt::format("cannot read the folder {}: {}", folder.string(), error.message()));
    std::map<std::uint64_t, SegmentName> found;
    for (const auto end = std::filesystem::directory_iterator(); entries != end; entries.increment(error)) {
        if (error) return fail(Errc::io, fmt::format("cannot read the folder {}: {}", folder.string(), error.message()));
        const std::string name = entries->path().filename().string();
        std::uint64_t first = 0;
        const char* const stop = name.data() + std::min(digits, name.size());
        const auto [after, problem] = std::from_chars(name.data(), stop, first);
        if (name.size() <= digits || problem != std::errc() || after != stop) continue;
        const auto suffix = std::string_view(name).substr(digits);
        if (suffix != segment_suffix && suffix != hashes_suffix) continue;
        auto& segment = found[first];
        segment.first = first;
        (suffix == segment_suffix ? segment.has_data : segment.has_hashes) = true;
    }
    std::vector<SegmentName> out;
    for (const auto& [first, segment] : found) out.push_back(segment);
    return out;
}

std::string compose_segment_start(std::string_view origin, std::string_view time, const Tree& tree) {
    std::vector<std::string> frontier;
    for (const Digest& hash : tree.frontier()) frontier.push_back(to_hex(hash));
    std::string payload = "{";
    JsonWriter(payload)
        .member("format", format_name)
        .member("origin", origin)
        .member("time", time)
        .member("first", tree.size())
        .strings("frontier", frontier);
    payload += "}";
    std::string out(segment_magic);
    append_frame(out, FrameKind::header, payload);
    return out;
}

std::optional<SegmentHeader> parse_header(std::string_view payload) {
    if (json_depth(payload) > limits::record_depth) return std::nullopt;
    const auto json = nlohmann::json::parse(payload, nullptr, false);
    if (!json.is_object()) return std::nullopt;
    const auto text = [&json](const char* key) -> std::optional<std::string> {
        const auto found = json.find(key);
        if (found == json.end() || !found->is_string()) return std::nullopt;
        return found->get<std::string>();
    };
    const auto first = json.find("first");
    const auto frontier = json.find("frontier");
    const auto origin = text("origin");
    const auto time = text("time");
    if (text("format") != format_name || !origin || !time || first == json.end() || !first->is_number_unsigned() ||
        frontier == json.end() || !frontier->is_array()) {
        return std::nullopt;
    }
    std::vector<Digest> hashes;
    for (const auto& item : *frontier) {
        const auto hash = item.is_string() ? digest_from_hex(item.get<std::string>()) : std::nullopt;
        if (!hash) return std::nullopt;
        hashes.push_back(*hash);
    }
    auto tree = Tree::resume(first->get<std::uint64_t>(), std::move(hashes));
    if (!tree) return std::nullopt;
    return SegmentHeader{*origin, *time, std::move(*tree)};
}

std::optional<LeafStart> leaf_start(std::string_view leaf) noexcept {
    LeafStart out;
    std::string_view rest = leaf;
    if (!take(rest, R"({"seq":)")) return std::nullopt;
    const auto [after, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), out.seq);
    if (problem != std::errc()) return std::nullopt;
    rest.remove_prefix(static_cast<std::size_t>(after - rest.data()));
    if (!take(rest, R"(,"time":")")) return std::nullopt;
    const auto time = take_text(rest);
    if (!time || !take(rest, R"(,"type":")")) return std::nullopt;
    const auto type = take_text(rest);
    if (!type) return std::nullopt;
    out.time = *time;
    out.type = *type;
    if (take(rest, R"(,"session":")")) {
        const auto session = take_text(rest);
        if (!session) return std::nullopt;
        out.session = *session;
    }
    return out;
}

}  // namespace assent::record
