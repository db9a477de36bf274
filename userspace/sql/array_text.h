// Texts as one array in the server's text form: {"a","b"}.
#pragma once

#include <string>
#include <vector>

namespace assent::sql {

[[nodiscard]] inline std::string array_text(const std::vector<std::string>& items) {
    std::string out = "{";
    for (const auto& item : items) {
        if (out.size() > 1) out += ',';
        out += '"';
        for (const char c : item) {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
        out += '"';
    }
    return out + "}";
}

}  // namespace assent::sql
