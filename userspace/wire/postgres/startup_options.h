// What a StartupMessage asks for.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace assent::wire::postgres {

using Settings = std::vector<std::pair<std::string, std::string>>;

struct StartupRequest {
    std::uint32_t version = 0;
    std::string user;
    std::string database;  // the user's name when none was given, as the server does
    std::string replication;
    Settings parameters;                  // all of them, in order, as sent
    std::vector<std::string> extensions;  // names of `_pq_.` parameters
    Settings settings;                    // what is left, the words of `options` taken apart: for the policy

    // A replication connection speaks another language, and no extended protocol.
    [[nodiscard]] bool is_replication() const;
};

// Takes the whole message, its length included. Errc::malformed when it is not one, or says a thing twice.
[[nodiscard]] Result<StartupRequest> read_startup(Bytes message);

// The words of `options` as the server's command line would be: "-c name=value", "--name=value", a backslash before a
// character that is meant as it is. A word that is something else gives ("options", all of it) in place of everything.
[[nodiscard]] Settings settings_of_options(std::string_view options);

}  // namespace assent::wire::postgres
