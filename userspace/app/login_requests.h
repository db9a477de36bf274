// How agents and reviewers log in, by the control socket. The daemon speaks with the providers: agents cannot reach them,
// and clients' secrets stay here. It keeps none of the tokens.
#pragma once

#include <functional>

#include "app/agent_tokens.h"
#include "app/hold_requests.h"
#include "app/issuers.h"
#include "control/server.h"

namespace assent::app {

struct LoginRequests {
    const Issuers& issuers;  // both live longer than the server
    AgentTokens& tokens;
    std::function<model::Agent(const control::Peer&)> agent_of;  // of a governed peer, with its unit, slice and run
    const Clock& clock;
};

// Before server.start(). The verbs:
//   token.bind     {agent_token}     an agent: binds the token to its cgroup. Answer {issuer, sub, acting, expires}
//   login          {issuer?}         gives {verification_uri, verification_uri_complete, user_code, expires_in} to be shown
//   to a
//                                    person, and waits until they have entered the code. An agent: binds the token that came
//                                    of it, and answers as token.bind. Others: {issuer, id_token, refresh_token, person}
//   login.refresh  {issuer, refresh_token}     as the latter
void add_login_requests(control::Server& server, LoginRequests deps);

// For whoami and status: what was verified of a token.
[[nodiscard]] nlohmann::json token_to_json(const model::AgentToken& token);
[[nodiscard]] nlohmann::json person_to_json(const approve::Person& person);

}  // namespace assent::app
