#include "cli/table.h"

#include <locale.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "base/shown_text.h"

namespace assent::cli {
namespace {

constexpr std::string_view ellipsis = "…";
constexpr std::size_t gap = 2;
constexpr std::size_t next_line_indent = 4;
constexpr std::size_t narrowest_text = 20;  // what is left of a text must tell something

// UTF-8 whatever the user's locale is: what assent prints is UTF-8 too.
class Utf8Locale {
public:
    Utf8Locale() : previous_(uselocale(locale())) {}
    ~Utf8Locale() { uselocale(previous_); }
    Utf8Locale(const Utf8Locale&) = delete;
    Utf8Locale& operator=(const Utf8Locale&) = delete;

private:
    static locale_t locale() {
        static const locale_t made = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
        return made;
    }
    locale_t previous_;
};

struct Character {
    std::size_t size = 1;   // bytes
    std::size_t width = 1;  // columns
};

// The first character of a text that is not empty; within a Utf8Locale.
Character first_of(std::string_view text) {
    wchar_t code = 0;
    mbstate_t state{};
    const std::size_t size = mbrtowc(&code, text.data(), text.size(), &state);
    if (size == 0 || size > text.size()) return {};
    const int width = wcwidth(code);
    return {size, width < 0 ? 1 : static_cast<std::size_t>(width)};
}

std::string padding(std::size_t count) { return std::string(count, ' '); }

}  // namespace

std::size_t shown_width(std::string_view text) {
    const Utf8Locale utf8;
    std::size_t width = 0;
    while (!text.empty()) {
        const Character next = first_of(text);
        width += next.width;
        text.remove_prefix(next.size);
    }
    return width;
}

std::size_t size_of_width(std::string_view text, std::size_t width) {
    const Utf8Locale utf8;
    std::size_t used = 0;
    std::size_t taken = 0;
    while (taken < text.size()) {
        const Character next = first_of(text.substr(taken));
        if (taken > 0 && used + next.width > width) break;
        used += next.width;
        taken += next.size;
    }
    return taken;
}

std::string cut_to_width(std::string_view text, std::size_t width) {
    if (shown_width(text) <= width) return std::string(text);
    if (width <= 1) return width == 0 ? std::string() : std::string(ellipsis);
    return std::string(text.substr(0, size_of_width(text, width - 1))) + std::string(ellipsis);
}

std::size_t terminal_width() {
    winsize size{};
    if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

void Table::add(std::vector<std::string> cells) {
    cells.resize(columns_.size());
    for (std::size_t i = 0; i < cells.size(); ++i) {
        cells[i] = shown_text(cells[i]);
        if (columns_[i].maximum != 0) cells[i] = cut_to_width(cells[i], columns_[i].maximum);
    }
    rows_.push_back(std::move(cells));
}

std::vector<Table::Place> Table::arrange(std::size_t room) const {
    std::vector<Place> places;
    std::size_t used = 0;  // of the line
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        Place place;
        place.width = shown_width(columns_[i].title);
        for (const auto& row : rows_) place.width = std::max(place.width, shown_width(row[i]));
        const bool can_be_cut = columns_[i].maximum != 0;
        const bool is_last = i + 1 == columns_.size();
        const std::size_t least = is_last && can_be_cut ? std::min(place.width, narrowest_text) : place.width;
        const std::size_t begin = i == 0 ? 0 : used + gap;
        place.begins_line = room != 0 && i != 0 && begin + least > room;
        const std::size_t from = place.begins_line ? next_line_indent : begin;
        if (room != 0 && can_be_cut && from + place.width > room) place.width = room > from + 1 ? room - from : 1;
        used = from + place.width;
        places.push_back(place);
    }
    return places;
}

std::string Table::to_text(std::size_t room) const {
    const auto places = arrange(room);
    std::string out;
    const auto add_line = [&](const auto& cell_at) {
        std::string line;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (places[i].begins_line) {
                line.erase(line.find_last_not_of(' ') + 1);
                line += "\n" + padding(next_line_indent);
            } else if (i != 0) {
                line += padding(gap);
            }
            std::string cell = cell_at(i);
            if (columns_[i].maximum != 0) cell = cut_to_width(cell, places[i].width);
            const std::size_t width = shown_width(cell);
            const std::string blanks = padding(places[i].width - std::min(width, places[i].width));
            line += columns_[i].align == Align::right ? blanks + cell : cell + blanks;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    };
    add_line([&](std::size_t i) { return columns_[i].title; });
    for (const auto& row : rows_) add_line([&](std::size_t i) { return row[i]; });
    return out;
}

void Table::print() const { std::fputs(to_text().c_str(), stdout); }

void Fields::add(std::string_view title, std::string_view value) {
    fields_.emplace_back(title, shown_text(value, Lines::many));
}

std::string Fields::to_text(std::size_t room) const {
    std::size_t width = 0;
    for (const auto& [title, value] : fields_) width = std::max(width, shown_width(title));
    const std::size_t indent = width + 1 + gap;
    const std::size_t for_values = room == 0 ? 0 : std::max(room, indent + narrowest_text) - indent;
    std::string out;
    for (const auto& [title, value] : fields_) {
        out += title + ":" + padding(indent - 1 - shown_width(title));
        std::string_view rest = value;
        for (bool is_first = true; is_first || !rest.empty(); is_first = false) {
            if (!is_first) out += padding(indent);
            const std::string_view line = rest.substr(0, rest.find('\n'));
            std::size_t taken = for_values == 0 ? line.size() : size_of_width(line, for_values);
            // Between words where there are any.
            const auto blank = taken < line.size() ? line.rfind(' ', taken - 1) : std::string_view::npos;
            if (blank != std::string_view::npos && blank > taken / 2) taken = blank + 1;
            out += std::string(line.substr(0, taken)) + "\n";
            rest.remove_prefix(std::min(rest.size(), taken + (taken == line.size() ? 1 : 0)));
        }
    }
    return out;
}

std::string shown_duration(long long seconds) {
    if (seconds < 0) return "-" + shown_duration(-seconds);
    if (seconds < 60) return fmt::format("{}s", seconds);
    if (seconds < 3600)
        return seconds % 60 == 0 || seconds >= 600 ? fmt::format("{}m", seconds / 60)
                                                   : fmt::format("{}m {}s", seconds / 60, seconds % 60);
    if (seconds < 86400)
        return seconds % 3600 < 60 ? fmt::format("{}h", seconds / 3600)
                                   : fmt::format("{}h {}m", seconds / 3600, seconds % 3600 / 60);
    return fmt::format("{}d", seconds / 86400);
}

}  // namespace assent::cli
