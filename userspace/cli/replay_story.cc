#include "cli/replay_story.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/table.h"
#include "model/record.h"
#include "record/reader.h"

namespace assent::cli {
namespace {

using nlohmann::json;

constexpr std::string_view under_time = "             ";  // as wide as the time before a line
constexpr std::size_t rows_shown = 20;
constexpr std::size_t cell_width = 40;
constexpr std::size_t narrowest_rows = 20;

// Each line of the text under `under_time`.
std::string block(std::string_view text, std::string_view mark) {
    std::string out;
    const std::string shown = shown_text(text, Lines::many);
    std::string_view rest = shown;
    while (!rest.empty()) {
        const auto end = rest.find('\n');
        const auto line = rest.substr(0, end);
        out += fmt::format("{}{}{}\n", under_time, mark, line);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    return out;
}

std::string shown_duration_us(long long micros) {
    if (micros < 1'000) return fmt::format("{} µs", micros);
    if (micros < 1'000'000) return fmt::format("{:.1f} ms", static_cast<double>(micros) / 1e3);
    return fmt::format("{:.1f} s", static_cast<double>(micros) / 1e6);
}

std::string counted(long long count, std::string_view one, std::string_view many) {
    return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::size_t room_of_rows() {
    const std::size_t width = terminal_width();
    return width == 0 ? 0 : std::max(width, narrowest_rows + under_time.size() + 2) - under_time.size() - 2;
}

// At a terminal what is longer than a line goes on behind a mark, so that no text of an agent can look like a line of ours.
std::string fitted(const std::string& text) {
    const std::size_t width = terminal_width();
    if (width == 0) return text;
    static const std::string mark = std::string(under_time) + "┆ ";
    std::string out;
    for (std::string_view rest = text; !rest.empty();) {
        std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        // A tab's width depends on where it stands.
        std::string spaced(line);
        for (auto at = spaced.find('\t'); at != std::string::npos; at = spaced.find('\t', at)) spaced.replace(at, 1, "    ");
        line = spaced;
        std::size_t room = width;
        do {
            const std::size_t taken = size_of_width(line, room);
            out += std::string(line.substr(0, taken)) + "\n";
            line.remove_prefix(taken);
            room = std::max(width, narrowest_rows + shown_width(mark)) - shown_width(mark);
            if (!line.empty()) out += mark;
        } while (!line.empty());
    }
    return out;
}

std::string rows_table(const json& result) {
    const auto& columns = member_of(result, "columns");
    const auto& rows = member_of(result, "rows");
    if (!rows.is_array() || rows.empty()) return {};
    std::vector<Table::Column> titles;
    for (std::size_t i = 0; i < rows.front().size(); ++i) {
        const bool is_named = columns.is_array() && i < columns.size() && columns[i].is_string();
        titles.push_back({is_named ? shown_text(columns[i].get<std::string>()) : fmt::format("{}", i + 1),
                          Table::Align::left, cell_width});
    }
    Table table(titles);
    for (std::size_t i = 0; i < std::min(rows.size(), rows_shown); ++i) {
        std::vector<std::string> cells;
        for (const auto& field : rows[i]) cells.push_back(field.is_string() ? field.get<std::string>() : "NULL");
        table.add(std::move(cells));
    }
    std::string out = block(table.to_text(room_of_rows()), "  ");
    if (rows.size() > rows_shown)
        out += fmt::format("{}  … and {} (--json has them)\n", under_time,
                           counted(static_cast<long long>(rows.size() - rows_shown), "row", "rows"));
    if (flag_of(result, "is_cut")) out += fmt::format("{}  … and more that were not recorded\n", under_time);
    return out;
}

std::string effects_text(const json& event) {
    std::string out;
    for (const auto& effect : member_of(event, "effects")) {
        if (!effect.is_object()) continue;
        std::vector<std::string> objects = texts_of(effect, "objects");
        for (const auto& object : member_of(effect, "objects")) {
            if (object.is_object()) objects.push_back(text_of(object, "name"));
        }
        if (!out.empty()) out += ", ";
        out += text_of(effect, "operation");
        if (!objects.empty()) out += " " + joined(objects, " ");
        if (text_of(effect, "where") == "absent") out += " without WHERE";
    }
    return shown_text(out);
}

std::string rules_text(const json& event) {
    const auto rules = texts_of(event, "rules");
    return rules.empty() ? "no rule covers it" : shown_text("by " + joined(rules));
}

std::string command_text(const json& event) {
    const std::string decision = text_of(event, "decision");
    const std::string enforced = text_of(event, "enforced");
    std::string verdict = shown_text(decision.empty() ? "not judged" : decision);
    if (!enforced.empty() && enforced != decision) verdict = fmt::format("would {}, passed (observed)", verdict);
    std::string out = fmt::format("#{} {}: {}, {}\n", number_of(event, "command"), shown_text(text_of(event, "kind")),
                                  verdict, rules_text(event));
    const json& texts = member_of(event, "texts");
    out += block(text_of(texts, "text"), "  ");
    if (const auto values = text_of(texts, "parameters"); !values.empty()) out += block("values " + values, "  ");
    if (const auto effects = effects_text(event); !effects.empty())
        out += fmt::format("{}  effects: {}\n", under_time, effects);
    if (const auto masks = texts_of(event, "masks"); !masks.empty())
        out += fmt::format("{}  masks: {}\n", under_time, shown_text(joined(masks)));
    if (const auto message = text_of(event, "message"); !message.empty()) out += block(message, "  told: ");
    if (const auto hold = text_of(event, "hold"); !hold.empty())
        out += fmt::format("{}  hold {}\n", under_time, shown_text(hold));
    return out;
}

std::string outcome_text(const json& event) {
    std::string out = fmt::format("#{} ", number_of(event, "command"));
    const std::string error = text_of(event, "error");
    const std::string code = text_of(event, "code");
    if (flag_of(event, "refused"))
        out += "refused";
    else if (!error.empty() || !code.empty())
        out += "failed";
    else
        out += "done";
    if (const auto tag = text_of(event, "tag"); !tag.empty()) out += ": " + shown_text(tag);
    if (!code.empty()) out += " " + shown_text(code);
    if (const auto rows = number_of(event, "rows"); rows > 0) out += ", " + counted(rows, "row", "rows");
    if (const auto masked = number_of(event, "masked_fields"); masked > 0)
        out += ", " + counted(masked, "field masked", "fields masked");
    if (event.contains("duration_us")) out += ", " + shown_duration_us(number_of(event, "duration_us"));
    out += "\n";
    out += block(error, "  ");
    out += block(text_of(event, "text"), "  ");
    return out + rows_table(member_of(event, "result"));
}

std::string hold_text(const json& event, std::string_view type) {
    namespace record_type = model::record_type;
    const std::string id = shown_text(text_of(event, "hold"));
    if (type == record_type::hold_opened) {
        return fmt::format("hold {} waits for {}, until {}\n", id, shown_text(joined(texts_of(event, "approvals"))),
                           shown_text(text_of(event, "deadline")));
    }
    if (type == record_type::hold_ended) return fmt::format("hold {} is {}\n", id, shown_text(text_of(event, "state")));
    std::string out = fmt::format("hold {}: ", id);
    const bool knows_answer = event.contains("approves");
    out += knows_answer ? (flag_of(event, "approves") ? "approved" : "denied") : shown_text(text_of(event, "state"));
    out += fmt::format(" by {} (uid {})", shown_text(text_of(event, "person")), number_of(event, "uid"));
    if (flag_of(event, "is_runner")) out += ", who started the agent";
    if (const auto reason = text_of(event, "reason"); !reason.empty()) out += fmt::format(": {}", shown_text(reason));
    return out + "\n";
}

std::string closed_text(const json& event) {
    std::string out = fmt::format("closed: {}", shown_text(text_of(event, "why")));
    if (flag_of(event, "violation")) out += " (a violation of the protocol)";
    out += fmt::format("; {}, {} bytes from the agent, {} to it\n",
                       counted(number_of(event, "commands"), "command", "commands"), number_of(event, "bytes_in"),
                       number_of(event, "bytes_out"));
    return out;
}

}  // namespace

std::string Story::moment(const json& event) {
    const auto time = record::parse_time(text_of(event, "time"), {});
    if (!time) return std::string(under_time);
    if (!begin_) begin_ = time;
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(*time - *begin_).count();
    return fmt::format("{:>12} ", fmt::format("{:+.3f}s", static_cast<double>(micros) / 1e6));
}

std::string Story::opened(const json& event) {
    const json& agent = member_of(event, "agent");
    Fields fields;
    fields.add("session", text_of(event, "session"));
    fields.add("agent", text_of(agent, "name"));
    if (const auto sets = texts_of(agent, "sets"); !sets.empty()) fields.add("known as", joined(sets));
    fields.add("process", fmt::format("{} ({}), pid {}, uid {}", text_of(agent, "exe"), text_of(agent, "comm"),
                                      number_of(agent, "pid"), number_of(agent, "uid")));
    if (const auto runner = text_of(agent, "runner"); !runner.empty()) fields.add("started by", runner);
    if (const auto purpose = text_of(agent, "purpose"); !purpose.empty()) fields.add("purpose", purpose);
    fields.add("cgroup", text_of(agent, "cgroup"));
    const std::string target = text_of(event, "target");
    fields.add("target", fmt::format("{} at {}", target.empty() ? "unlisted" : target, text_of(event, "asked_for")));
    fields.add("policy", fmt::format("revision {}", number_of(event, "policy_revision")));
    fields.add("opened", text_of(event, "time"));
    return fields.to_text(terminal_width()) + "\n";
}

std::string Story::tell(const json& event) { return fitted(lines_of(event)); }

std::string Story::lines_of(const json& event) {
    namespace record_type = model::record_type;
    const std::string type = text_of(event, "type");
    // What denied it was told before.
    if (type == record_type::hold_ended && text_of(event, "state") == "denied") return {};
    if (type == "warning") return fmt::format("{}{}\n", under_time, shown_text(text_of(event, "message")));
    std::string line = moment(event);
    if (type == record_type::flow_opened) return opened(event) + line + "opened\n";
    if (type == record_type::flow_closed || type == "cut") is_closed_ = true;
    if (type == record_type::command)
        line += command_text(event);
    else if (type == record_type::outcome)
        line += outcome_text(event);
    else if (type.starts_with("hold."))
        line += hold_text(event, type);
    else if (type == record_type::flow_closed)
        line += closed_text(event);
    else if (type == "cut")
        line += shown_text(fmt::format("{}, between {} and {}", text_of(event, "why"), text_of(event, "after"),
                                       text_of(event, "time"))) +
                "\n";
    else if (type == record_type::flow_event) {
        line += shown_text(fmt::format("{} {}", text_of(event, "event"), text_of(event, "detail")));
        if (const auto by = text_of(event, "by"); !by.empty())
            line += shown_text(fmt::format("hold {}, answered by {}", text_of(event, "hold"), by));
        line += "\n";
    } else {
        line += shown_text(type) + "\n";
    }
    for (const auto& name : texts_of(event, "erased"))
        line += fmt::format("{}  {} was erased\n", under_time, shown_text(name));
    return line;
}

std::string Story::end() const {
    return is_closed_ ? "" : fmt::format("{}the session is open, or its end was not recorded\n", under_time);
}

}  // namespace assent::cli
