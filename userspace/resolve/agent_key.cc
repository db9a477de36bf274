#include "resolve/agent_key.h"

#include <algorithm>

namespace assent::resolve {
namespace {

// Where the first component ends that begins at or behind `from` and fulfils `is_it`; npos: there is none.
template <typename Test>
std::size_t end_of_first(std::string_view path, std::size_t from, Test is_it) {
    while (from < path.size()) {
        const auto begin = from + (path[from] == '/' ? 1U : 0U);
        const auto end = std::min(path.find('/', begin), path.size());
        if (is_it(path.substr(begin, end - begin))) return end;
        from = std::max(end, from + 1);
    }
    return std::string_view::npos;
}

bool is_slice(std::string_view component) { return component.ends_with(".slice"); }

}  // namespace

std::string agent_key(std::string_view cgroup_path) {
    const auto slice = end_of_first(cgroup_path, 0, is_slice);
    const auto end = slice != std::string_view::npos
                         ? end_of_first(cgroup_path, slice, [](auto component) { return !is_slice(component); })
                         : end_of_first(cgroup_path, 0, [](auto component) {
                               return component.ends_with(".service") || component.ends_with(".scope");
                           });
    return std::string(cgroup_path.substr(0, end));
}

}  // namespace assent::resolve
