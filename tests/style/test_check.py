"""Proves that check.py finds what rules.py forbids, and leaves good code alone."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import check  # noqa: E402


def findings(name, text):
    return [sentence for _, sentence in check.check_text(name, text)]


def long_function(lines, head="Result<> Session::received(Bytes bytes) {"):
    return "// What it is.\n" + head + "\n" + "    step();\n" * (lines - 2) + "}\n"


class Lengths(unittest.TestCase):
    def test_a_file_may_have_800_lines_and_not_801(self):
        self.assertEqual(findings("tests/unit/a.cc", "\n" * 800), [])
        self.assertIn("801 lines", findings("tests/unit/a.cc", "\n" * 801)[0])

    def test_a_function_may_have_70_lines_and_not_71(self):
        self.assertEqual(findings("userspace/base/a.cc", long_function(70)), [])
        self.assertIn("71 lines", findings("userspace/base/a.cc", long_function(71))[0])

    def test_heads_of_every_shape_are_seen(self):
        for head in (
            "static int load(struct context* ctx) {",
            "Session::Session(Options options) : options_(std::move(options)), count_(0) {",
            "template <typename T>\nauto size(const T& of) noexcept -> std::size_t {",
            'SEC("cgroup/connect4")\nint connect4(struct bpf_sock_addr* ctx) {',
            "TEST(Cursor, reads_what_is_there) {",
            "Session::Session(Options options) : options_{std::move(options)}, count_{0} {",
            "bool operator==(const A& a, const B& b) {",
        ):
            with self.subTest(head=head):
                self.assertIn("a function of", findings("userspace/base/a.cc", long_function(90, head))[0])

    def test_a_long_namespace_or_class_of_short_functions_is_none(self):
        body = "int f(int a) {\n    return a;\n}\n" * 40
        for opening in ("namespace assent {", "class A final : public B {", "namespace {", "struct A {", 'extern "C" {'):
            with self.subTest(opening=opening):
                self.assertEqual(findings("tests/unit/a.cc", opening + "\n" + body + "}\n"), [])

    def test_a_long_table_is_no_function(self):
        rows = '    {"a", std::string("b")},\n' * 90
        for opening in ("const std::map<int, int> table = {", "const auto table = std::to_array<Row>({", "constexpr Row table[] = {"):
            with self.subTest(opening=opening):
                self.assertEqual(findings("userspace/base/a.cc", f"// It.\nint f(int);\n{opening}\n{rows}}};\n"), [])

    def test_braces_in_text_and_comments_do_not_count(self):
        text = "// {\nvoid f() {\n    g(\"{\", '{', R\"x({{ \" )x\"); /* { */\n}\n" + "int a;\n" * 80
        self.assertEqual(findings("userspace/base/a.cc", text), [])


class Includes(unittest.TestCase):
    def test_the_arrows_point_down(self):
        self.assertEqual(findings("userspace/session/a.cc", '// It.\n#include "policy/policy.h"\n'), [])
        self.assertEqual(findings("userspace/app/a.cc", '// It.\n#include "kernel/redirect.h"\n'), [])
        self.assertIn("may not include", findings("userspace/policy/a.cc", '// It.\n#include "session/session.h"\n')[0])
        self.assertIn("may not include", findings("userspace/io/a.cc", '// It.\n#include "record/log.h"\n')[0])
        self.assertIn("may not include", findings("userspace/kernel/a.cc", '// It.\n#include "app/flow.h"\n')[0])

    def test_protocols_and_policies_never_see_each_other(self):
        self.assertTrue(findings("userspace/wire/a.cc", '// It.\n#include "policy/policy.h"\n'))
        self.assertTrue(findings("userspace/policy/a.cc", '// It.\n#include "wire/adapter.h"\n'))

    def test_libraries_have_one_owner(self):
        for header, owner, other in (("liburing.h", "io", "app"), ("bpf/libbpf.h", "kernel", "app"), ("openssl/ssl.h", "tls", "wire")):
            text = f"// It.\n#include <{header}>\n"
            self.assertEqual(findings(f"userspace/{owner}/a.cc", text), [])
            self.assertIn("belongs to", findings(f"userspace/{other}/a.cc", text)[0])

    def test_a_new_folder_has_to_be_given_its_place(self):
        self.assertTrue(findings("userspace/helpers/a.cc", "// It.\n"))


class Banned(unittest.TestCase):
    def test_calls(self):
        for call in ("strcpy(a, b)", "sprintf(a, b)", "std::system(a)".replace("std::", ""), "popen(a, b)", "atoi(a)", "rand()",
                     "std::regex r", "pg_query_normalize(a)", "gets(a)"):
            with self.subTest(call=call):
                self.assertTrue(findings("userspace/base/a.cc", f"// It.\nvoid f() {{\n    {call};\n}}\n"))

    def test_names_that_only_look_like_them(self):
        for call in ("file_system(a)", "snprintf(a, 1, b)", "brand()", "x.system()", 'say("system(rm)")', "// rand()\n"):
            with self.subTest(call=call):
                self.assertEqual(findings("userspace/base/a.cc", f"// It.\nvoid f() {{\n    {call};\n}}\n"), [])

    def test_text(self):
        for text in ("# TO" + "DO: later\n", "see /ho" + "me/ana/assent\n"):
            self.assertTrue(findings("tools/a.sh", text))
        self.assertEqual(findings("tools/a.sh", "ProtectHome=yes /var/lib/assent\n"), [])


class Purpose(unittest.TestCase):
    def test_a_file_says_what_it_is_for(self):
        self.assertTrue(findings("userspace/base/a.h", "#pragma once\n"))
        self.assertTrue(findings("userspace/base/a.h", "// Words.\nint a;\n"))
        self.assertEqual(findings("userspace/base/a.h", "// Words.\n#pragma once\n"), [])


if __name__ == "__main__":
    unittest.main()
