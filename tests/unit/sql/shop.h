// The small database of these tests, as a catalog file.
#pragma once

#include "sql/catalog.h"

namespace assent::sql::test {

inline constexpr std::string_view shop_file = R"yaml(
search_path: [public]
user: agent
relations:
  - {name: public.customers, columns: [id, name, ssn, card, city]}
  - {name: public.orders, columns: [id, customer_id, total, note]}
  - {name: public.jobs, columns: [id, state]}
  - {name: public.order_id_seq, kind: sequence, columns: [last_value, log_cnt, is_called]}
  - {name: public.customer_view, kind: view, columns: [id, name, number], reaches: [public.customers]}
  - {name: public.order_view, kind: view, columns: [id, total], reaches: [public.orders]}
  - {name: public.customers_2024, columns: [id, name, ssn, card, city], relatives: [public.customers]}
  - {name: reporting.daily, columns: [day, total]}
  - {name: reporting.orders, columns: [id, total]}
  - {name: pg_catalog.pg_class, columns: [oid, relname, relkind]}
  - {name: pg_catalog.pg_attribute, columns: [attrelid, attname]}
functions: [public.refund, util.week_of, "util.rows_of()"]
)yaml";

inline Catalog shop() {
    auto catalog = Catalog::from_yaml(shop_file);
    return catalog ? *std::move(catalog) : Catalog();
}

}  // namespace assent::sql::test
