-- A small shop: what the quickstart, the tests and the benchmarks run on. Every value is made up, and the same every time.
CREATE TABLE customers (
    id integer PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL UNIQUE,
    national_id text NOT NULL,
    card_number text NOT NULL,
    city text NOT NULL
);
CREATE TABLE orders (
    id integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    total numeric(10, 2) NOT NULL,
    status text NOT NULL CHECK (status IN ('placed', 'paid', 'shipped', 'returned')),
    placed_at timestamptz NOT NULL
);
CREATE TABLE payments (
    id integer PRIMARY KEY,
    order_id integer NOT NULL REFERENCES orders,
    amount numeric(10, 2) NOT NULL,
    method text NOT NULL,
    paid_at timestamptz NOT NULL
);

INSERT INTO customers
SELECT n, given || ' ' || family, lower(given) || '.' || lower(family) || n || '@example.com',
       format('%s-%s-%s', 100 + n * 37 % 800, lpad((10 + n * 13 % 89)::text, 2, '0'), lpad((n * 7919 % 10000)::text, 4, '0')),
       format('4%s-%s-%s-%s', lpad((n * 613 % 1000)::text, 3, '0'), lpad((n * 7411 % 10000)::text, 4, '0'),
              lpad((n * 2897 % 10000)::text, 4, '0'), lpad((n * 5273 % 10000)::text, 4, '0')),
       (ARRAY['Lisbon', 'Ghent', 'Turin', 'Malmo', 'Graz', 'Cork', 'Porto', 'Lyon'])[1 + n * 5 % 8]
FROM (SELECT n,
             (ARRAY['Ada', 'Bruno', 'Carla', 'Daan', 'Elin', 'Farid', 'Greta', 'Hugo', 'Ines', 'Jonas', 'Kaya', 'Luis',
                    'Mira'])[1 + n % 13] AS given,
             (ARRAY['Almeida', 'Bakker', 'Conti', 'Duval', 'Ekman', 'Fischer', 'Gallo', 'Hansen', 'Ivanov', 'Jansen',
                    'Keller'])[1 + n * 3 % 11] AS family
      FROM generate_series(1, 200) AS n) AS people;

INSERT INTO orders
SELECT n, 1 + n * 17 % 200, (500 + n * 7331 % 24500) / 100.0, (ARRAY['placed', 'paid', 'shipped', 'shipped', 'returned'])[1 + n % 5],
       timestamptz '2026-01-05 08:00+00' + n * interval '97 minutes'
FROM generate_series(1, 1000) AS n;

INSERT INTO payments
SELECT id, id, total, (ARRAY['card', 'card', 'transfer'])[1 + id % 3], placed_at + interval '11 minutes'
FROM orders WHERE status <> 'placed';

CREATE VIEW order_totals AS
SELECT c.id, c.name, count(*) AS orders, sum(o.total) AS total
FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.id, c.name;

CREATE ROLE shop_app LOGIN;
GRANT ALL ON SCHEMA public TO shop_app;
ALTER TABLE customers OWNER TO shop_app;
ALTER TABLE orders OWNER TO shop_app;
ALTER TABLE payments OWNER TO shop_app;
ALTER VIEW order_totals OWNER TO shop_app;
ANALYZE;
