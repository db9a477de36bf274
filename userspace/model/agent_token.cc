#include "model/agent_token.h"

namespace assent::model {

std::string acting_text(const AgentToken& token) {
    std::string out = token.subject;
    for (const auto& actor : token.actors) {
        out += ", by ";
        if (!actor.issuer.empty()) out += actor.issuer + " ";
        out += actor.subject;
    }
    return out;
}

}  // namespace assent::model
