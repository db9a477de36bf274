// What the server's planner expects a statement to touch, for whoever decides on it: EXPLAIN on the agent's own connection,
// so with no more rights than the agent's. To plan is not always harmless: it computes what is constant, by functions that
// somebody may have made. The server is therefore asked first whether planning could meet one; then nothing is estimated.
// Pure; thread: any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/estimate.h"
#include "sql/analyse.h"
#include "sql/catalog.h"
#include "sql/parse.h"

namespace assent::sql {

// Would planning call a function of somebody's: the question for the server. An error says why it need not be asked:
// nothing is to be estimated of this statement.
[[nodiscard]] Result<Question> planning_question(const Parsed& parsed, const Analysis& analysis, const Catalog& catalog);
// Its answer: empty when planning is harmless, else why it might not be.
[[nodiscard]] std::string why_not_planned(const std::vector<Row>& rows);

// `text` is one statement of which planning_question() knew enough. Its parameters are the caller's to add.
[[nodiscard]] Question estimate_question(std::string_view text);
[[nodiscard]] Result<std::vector<model::RowEstimate>> read_estimate(const std::vector<Row>& rows);

}  // namespace assent::sql
