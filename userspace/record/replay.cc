#include "record/replay.h"

#include <utility>

#include "base/shown_text.h"
#include "model/record.h"
#include "record/reader.h"
#include "record/result_rows.h"
#include "record/session_cut.h"

namespace assent::record {
namespace {

using nlohmann::json;

// JSON texts are UTF-8; what is not is replaced as the record's own members are.
json text_of(std::string_view bytes) {
    std::string quoted;
    append_json_string(quoted, bytes);
    return json::parse(quoted, nullptr, false);
}

json result_of(Bytes body) {
    const ResultRows result = read_result(body);
    json columns = json::array();
    for (const auto& column : result.columns) columns.push_back(text_of(column));
    json rows = json::array();
    for (const auto& row : result.rows) {
        json fields = json::array();
        for (const auto& field : row) fields.push_back(field ? text_of(*field) : json());
        rows.push_back(std::move(fields));
    }
    return {{"columns", std::move(columns)}, {"rows", std::move(rows)}, {"is_cut", result.is_cut}};
}

json event_of(const Entry& entry, const nlohmann::ordered_json& leaf) {
    json event = leaf;
    const auto bodies = leaf.find("bodies");
    if (bodies == leaf.end() || !bodies->is_object()) return event;
    std::size_t index = 0;
    for (const auto& [name, about] : bodies->items()) {
        if (index == entry.bodies.size()) break;
        const auto& body = entry.bodies[index++];
        if (body.is_erased)
            event["erased"].push_back(name);
        else if (name == "result")
            event["result"] = result_of(body.bytes);
        else
            event["texts"][name] = text_of(as_text(body.bytes));
    }
    return event;
}

json event_of(const SessionCut& cut, std::string_view session) {
    return {{"type", "cut"}, {"session", session}, {"time", cut.before}, {"after", cut.after}, {"why", cut.why}};
}

}  // namespace

Result<> replay_session(const std::filesystem::path& folder, std::string_view session,
                        const std::function<bool(const json&)>& each, const std::function<bool()>& more) {
    ReadOptions options;
    options.wants_bodies = true;
    options.follows = static_cast<bool>(more);
    bool is_open = false;
    bool is_closed = false;
    CutWatch cuts;
    auto reader = Reader::open(folder, options);
    if (!reader) return std::unexpected(reader.error());
    for (;;) {
        const auto entry = reader->next();
        if (!entry && entry.error().code != Errc::malformed) return std::unexpected(entry.error());
        if (!entry) {
            if (!each({{"type", "warning"}, {"message", entry.error().message}})) return {};
            continue;
        }
        if (!*entry) {
            if (is_closed || !more || !more()) return {};
            continue;
        }
        if (const auto cut = cuts.see(**entry); cut && std::exchange(is_open, false)) {
            is_closed = true;
            if (!each(event_of(*cut, session))) return {};
        }
        if ((*entry)->start.session != session) continue;
        if ((*entry)->start.type == model::record_type::flow_opened) is_open = true;
        if ((*entry)->start.type == model::record_type::flow_closed) {
            is_open = false;
            is_closed = true;
        }
        const auto leaf = parse_leaf((*entry)->leaf);
        if (leaf && !each(event_of(**entry, *leaf))) return {};
    }
}

}  // namespace assent::record
