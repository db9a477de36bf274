// The settings `console`, `view` and `notify`.
#pragma once

#include "policy/settings.h"
#include "policy/yaml_tree.h"

namespace assent::policy {

void decode_console(const YamlNode& node, ConsoleSettings& console, Reporter& report);
void decode_view(const YamlNode& node, Settings& settings, Reporter& report);
void decode_notify(const YamlNode& node, NotifySettings& notify, Reporter& report);

}  // namespace assent::policy
