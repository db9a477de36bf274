// How agents' lookups are answered. Names of targets always are; all but the resolvers is about other names.
#pragma once

#include <cstdint>
#include <vector>

#include "model/address.h"

namespace assent::policy {

struct DnsSettings {
    std::vector<model::Endpoint> resolvers;  // empty: those of /etc/resolv.conf
    bool refuses_unlisted = false;
    std::vector<std::uint16_t> types;        // of records; the default is usual_dns_types()
    std::uint32_t queries_per_minute = 600;  // of one agent
    std::uint32_t names_per_hour = 1000;     // different ones, of one agent
    std::uint32_t names_per_domain = 120;    // of these, below one registered domain
    std::uint32_t longest_name = 128;        // characters
    std::uint32_t random_characters = 48;    // in labels that look random, of one name
    bool keeps_ech = false;                  // else the keys of Encrypted Client Hello are taken out of answers
};

}  // namespace assent::policy
