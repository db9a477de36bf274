// What the options of COPY … TO STDOUT make of its rows.
#pragma once

#include "model/copy.h"
#include "sql/flow.h"
#include "sql/tree.h"

namespace assent::sql {

// `copy`: a CopyStmt; `columns`: what it gives. `other` where an option is not understood, or leaves in doubt where a field
// ends or whether it is NULL.
[[nodiscard]] model::CopyLayout copy_layout(Node copy, const Columns& columns);

}  // namespace assent::sql
