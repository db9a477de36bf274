// A policy file of any bytes: mistakes or a policy, never a crash; and what loads judges without one.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "policy/loading.h"

namespace {

using namespace assent;

void judge(const policy::Policy& policy) {
    std::vector<std::string> targets = {""};
    for (const auto& target : policy.targets()) targets.push_back(target.name);
    std::vector<model::Effect> effects;
    for (std::size_t i = 0; i < model::operation_count; ++i) {
        effects.push_back(
            {static_cast<model::Operation>(i), {{"public.orders", i % 2 == 0}}, model::WhereClause::absent, 0});
    }
    for (const auto& target : targets) {
        const auto scope = policy.scope(policy.agent_sets(), target, "shop");
        const std::vector<std::string> functions = {"public.f"};
        const auto verdict = scope->judge({effects, functions, "SELECT 1", WallTime{}});
        if (verdict.effects.size() != effects.size()) std::abort();
        (void)scope->masks_of("public", "customers", "ssn");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto loaded = assent::policy::load_texts({{"fuzzed.yaml", text}}, 1);
    if (loaded) {
        judge(**loaded);
    } else if (loaded.error().empty()) {
        std::abort();  // refused without a reason
    }
    return 0;
}
