// One HTTP exchange, as the console sees it: no socket, no library.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assent::console {

using Texts = std::map<std::string, std::string, std::less<>>;

struct Request {
    std::string method;
    std::string path;  // decoded, without the query
    Texts query;
    Texts headers;  // names in lower case
    std::string body;
    std::string address;  // of the peer

    // Empty when there is none.
    [[nodiscard]] std::string_view header(std::string_view name) const {
        const auto found = headers.find(name);
        return found == headers.end() ? std::string_view() : std::string_view(found->second);
    }
    [[nodiscard]] std::string_view asked(std::string_view name) const {
        const auto found = query.find(name);
        return found == query.end() ? std::string_view() : std::string_view(found->second);
    }
    [[nodiscard]] std::string_view cookie(std::string_view name) const;
};

// Sends a part of an answer; false: the peer is gone, or the server stops. An empty part only asks that.
using Send = std::function<bool(std::string_view)>;

struct Response {
    int status = 200;
    std::string type = "application/json";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
    std::function<void(const Send&)> stream;  // in place of the body; runs on the connection's thread until it returns
};

}  // namespace assent::console
