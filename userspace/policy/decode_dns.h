// The settings of agents' lookups.
#pragma once

#include <cstdint>
#include <vector>

#include "policy/dns_settings.h"
#include "policy/yaml_tree.h"

namespace assent::policy {

void decode_dns(const YamlNode& node, DnsSettings& dns, Reporter& report);

// The types of records that programs ask for to connect. Others (TXT, NULL, ANY) are how data comes in.
[[nodiscard]] std::vector<std::uint16_t> usual_dns_types();

}  // namespace assent::policy
