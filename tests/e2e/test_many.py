"""A thousand flows at once: all of them are answered, counted and ended, and what one of them does is not felt by another."""

import harness
import throwaway

COUNT = 1000


class Flows(harness.EndToEnd):
    postgres_settings = {"max_connections": COUNT + 20}
    threads = 2

    def test_a_thousand_flows_open_at_once(self):
        agent = self.start_script(f"""
            import resource
            resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
            def ask_all(flows):
                # Every question is under way before the first answer is read.
                for number, flow in flows:
                    flow.pgconn.send_query(b"SELECT %d, count(*) FROM orders" % number)
                wrong = 0
                for number, flow in flows:
                    result = flow.pgconn.get_result()
                    wrong += (result.get_value(0, 0), result.get_value(0, 1)) != (b"%d" % number, b"1000")
                    while flow.pgconn.get_result():
                        pass
                return wrong
            flows = [(number, connect()) for number in range({COUNT})]
            say(wrong=ask_all(flows))
            sys.stdin.readline()
            # Every other one vanishes without a word, its question unanswered.
            for number, flow in flows[::2]:
                flow.pgconn.send_query(b"SELECT pg_catalog.count(*) FROM orders a, orders b")
                os.close(flow.fileno())
            say(wrong=ask_all(flows[1::2]))
            sys.stdin.readline()
            os._exit(0)
        """, stdin=-1)
        self.assertEqual(agent.next(180), {"wrong": 0})
        self.assertEqual(int(self.postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_app'")), COUNT)
        self.assertEqual(self.assent.ask("status")["flows"], COUNT)
        agent.tell()
        self.assertEqual(agent.next(120), {"wrong": 0})
        throwaway.wait_until(lambda: self.assent.ask("status")["flows"] == COUNT // 2, 60, "the vanished flows are ended")
        agent.tell()
        agent.finish()
        throwaway.wait_until(lambda: self.assent.ask("status")["flows"] == 0, 60, "every flow is ended")
        throwaway.wait_until(lambda: self.postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_app'") == "0", 60,
                             "no connection is left behind")
        self.assertEqual(self.psql_rows("SELECT count(*) FROM orders"), ["1000"])
        self.assertIsNone(self.assent.process.poll(), "assentd is alive")


if __name__ == "__main__":
    harness.main()
