// Tables for people: columns aligned by what a terminal shows, text from strangers escaped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assent::cli {

// Columns that a terminal gives to the text (UTF-8; wide characters take two, combining ones none).
[[nodiscard]] std::size_t shown_width(std::string_view text);

// The text cut to `width` columns, with "…" as its last where something was cut.
[[nodiscard]] std::string cut_to_width(std::string_view text, std::size_t width);

// How many bytes of a text that is not empty fit into `width` columns: whole characters, at least one.
[[nodiscard]] std::size_t size_of_width(std::string_view text, std::size_t width);

// Columns of the terminal on standard output; 0 when it is none (then nothing is cut to fit).
[[nodiscard]] std::size_t terminal_width();

class Table {
public:
    enum class Align { left, right };
    struct Column {
        std::string title;
        Align align = Align::left;
        std::size_t maximum = 0;  // in columns of the terminal; longer cells are cut with "…". 0: never cut
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    // Cells in the order of the columns, as they came from wherever: they are escaped here. Missing ones are empty.
    void add(std::vector<std::string> cells);
    [[nodiscard]] bool is_empty() const noexcept { return rows_.empty(); }
    // With a line of titles; no trailing blanks. In `room` columns (0: as many as it takes) columns that do not fit go on in
    // further lines, indented, and the last one takes what its line has left when it is cut at all.
    [[nodiscard]] std::string to_text(std::size_t room = terminal_width()) const;
    void print() const;  // on standard output

private:
    struct Place {
        std::size_t width = 0;
        bool begins_line = false;  // and not the first one
    };
    [[nodiscard]] std::vector<Place> arrange(std::size_t room) const;

    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

// "Title:   value" lines with the values aligned, for showing one thing. A value of several lines is indented whole.
class Fields {
public:
    void add(std::string_view title, std::string_view value);
    // In `room` columns (0: as many as it takes) longer values go on in lines that are indented like the first.
    [[nodiscard]] std::string to_text(std::size_t room = 0) const;

private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

// "3s", "12m", "5h 3m", "4d": a duration as short as people say it.
[[nodiscard]] std::string shown_duration(long long seconds);

}  // namespace assent::cli
