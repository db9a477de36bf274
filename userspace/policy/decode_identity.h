// `identity` of the settings.
#pragma once

#include "policy/identity_settings.h"
#include "policy/yaml_tree.h"

namespace assent::policy {

void decode_identity(const YamlNode& node, IdentitySettings& identity, Reporter& report);

}  // namespace assent::policy
