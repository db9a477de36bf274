// How deep a JSON text is, before anything walks it.
#pragma once

#include <cstddef>
#include <string_view>

namespace assent {

// How deeply a JSON text nests arrays and objects, from its brackets alone: to be asked before it is parsed, so that nothing
// that walks the value can be made to recurse far. Of a text that is not JSON the answer is an upper bound for what a parser
// accepts.
std::size_t json_depth(std::string_view text);

}  // namespace assent
