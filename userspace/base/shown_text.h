// Text from strangers, as it may be shown to people: no terminal control, no bidirectional marks, no invisible characters,
// no invalid UTF-8. What is hidden is shown as \u{XXXX} or \xXX, so that nothing disappears.
#pragma once

#include <string>
#include <string_view>

namespace assent {

enum class Lines { one, many };  // one: line feeds and tabs are escaped too

[[nodiscard]] std::string shown_text(std::string_view text, Lines lines = Lines::one);

// A JSON string with its quotes, appended; invalid UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace assent
