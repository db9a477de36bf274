// Lines of the control socket, from strangers: what parses can be written and parsed again, and an answer is never mistaken.
#include <cstdlib>

#include "base/bytes.h"
#include "control/protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace assent;
    const std::string_view line(reinterpret_cast<const char*>(data), size);
    auto parsed = control::parse_line(line);
    if (!parsed) return 0;
    const std::string written = control::line_of(*parsed);
    // One line, whatever is in it.
    if (written.find('\n') != written.size() - 1) std::abort();
    if (const auto again = control::parse_line(written); !again || control::line_of(*again) != written) std::abort();
    const auto result = control::result_of(*parsed);
    if (result && (!parsed->is_object() || !parsed->at("ok").get<bool>())) std::abort();
    const auto back = control::result_of(control::last_message(*parsed));
    if (!back || control::line_of(*back) != written) std::abort();
    return 0;
}
