"""Applies rules.py to a tree: `check.py ROOT` prints `file:line: what is wrong` and exits 1 when it found something."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import rules  # noqa: E402

CODE = {".cc", ".h", ".c"}
SCRIPTS = {".py", ".sh"}
TEXT = CODE | SCRIPTS | {".md", ".yaml", ".txt", ".cmake", ""}
FOLDERS = ("bpf", "userspace", "tests", "tools", "packaging", "policies", "cmake")
GENERATED = re.compile(r"generated|/corpus/|vmlinux\.h$")

_LITERALS = re.compile(
    r'R"(?P<d>[^()\\\s]{0,16})\(.*?\)(?P=d)"'  # raw strings
    r'|//[^\n]*|/\*.*?\*/'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-zA-Z_])'(?:\\.|[^'\\\n])+'",
    re.S,
)


def blank_literals(text):
    """The text with comments and literals replaced by spaces, line for line, so that braces and calls can be found in it."""
    return _LITERALS.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


# Words before a brace that open something which is not a function's body.
_NOT_FUNCTION = re.compile(r"\b(namespace|class|struct|union|enum|extern|concept)\b[^;{}()]*$")
_CONTROL = re.compile(r"\b(if|for|while|switch|catch|do|else|try)\b")


def _opens_function(head):
    """Whether the text before a brace is the head of a function: a parameter list, and no control word, type or value."""
    head = re.sub(r"(?m)^\s*#.*$", "", head)
    if "(" not in head or _NOT_FUNCTION.search(head) or re.search(r"(=|,|\(|\breturn)\s*$", head):
        return False
    first = re.match(r"\s*(?:\}\s*)?(\w+)", head)
    return not (first and _CONTROL.fullmatch(first.group(1)))


def functions(text):
    """Yields (line, lines) of each outermost function of C or C++ text; a heuristic that needs only balanced braces."""
    code = blank_literals(text)
    head_start, line, depth_of_body, stack = 0, 1, None, []
    for at, letter in enumerate(code):
        if letter == "\n":
            line += 1
        elif letter == "{":
            head = code[head_start:at]
            is_value = re.search(r"[\w>]$", head) is not None  # member_{…}: the head of a constructor goes on behind it
            if depth_of_body is None and not is_value and _opens_function(head):
                depth_of_body = len(stack)
            stack.append((line - head.lstrip().count("\n"), head_start if is_value else None))
            head_start = at + 1
        elif letter == "}" and stack:
            opened, goes_on_from = stack.pop()
            if depth_of_body == len(stack):
                depth_of_body = None
                yield opened, line - opened + 1
            head_start = at + 1 if goes_on_from is None else goes_on_from
        elif letter == ";" and depth_of_body is None:
            head_start = at + 1


def _line_of(text, at):
    return text.count("\n", 0, at) + 1


def check_lengths(name, text):
    lines = text.count("\n")
    if lines > rules.FILE_LINES:
        yield 1, f"{lines} lines; a file has at most {rules.FILE_LINES}"
    if Path(name).suffix in CODE:
        for line, length in functions(text):
            if length > rules.FUNCTION_LINES:
                yield line, f"a function of {length} lines; at most {rules.FUNCTION_LINES}"


def check_includes(name, text):
    parts = Path(name).parts
    if len(parts) < 3 or parts[0] != "userspace":
        return
    folder = parts[1]
    if folder not in rules.LAYERS:
        yield 1, f"userspace/{folder} is not a folder of tests/style/rules.py"
        return
    for found in re.finditer(r'(?m)^\s*#\s*include\s*(["<])([^">]+)[">]', text):
        quote, header = found.groups()
        line = _line_of(text, found.start(2))
        owners = rules.OWNED_HEADERS.get(header)
        if owners and folder not in owners:
            yield line, f"{header} belongs to userspace/{', '.join(sorted(owners))}"
        top = header.split("/")[0]
        if quote == '"' and top in rules.LAYERS and top != folder and top not in rules.LAYERS[folder]:
            yield line, f"userspace/{folder} may not include {header}: the arrows of ARCHITECTURE.md"


def check_banned(name, text):
    if Path(name).suffix in CODE:
        code = blank_literals(text)
        for pattern, why in rules.BANNED_CALLS.items():
            for found in re.finditer(pattern, code):
                yield _line_of(code, found.start()), f"{found.group().strip(' (')}: {why}"
    for pattern, why in rules.BANNED_TEXT.items():
        for found in re.finditer(pattern, text):
            yield _line_of(text, found.start()), f"'{found.group()}': {why}"


def check_purpose(name, text):
    """A header of userspace/, and every file of bpf/, says in its first line what it is for."""
    parts, suffix = Path(name).parts, Path(name).suffix
    if suffix not in CODE or not (parts[0] == "bpf" or parts[0] == "userspace" and suffix == ".h"):
        return
    if not re.match(r"(//|/\*)", text):
        yield 1, "the file does not start with a comment that says what it is for"
    if suffix == ".h" and not re.search(r"#pragma once|#ifndef \w+", text):
        yield 1, "no #pragma once"


CHECKS = (check_lengths, check_includes, check_banned, check_purpose)


def check_text(name, text):
    """The findings of one file as (line, sentence); `name` is its path below the root."""
    for check in CHECKS:
        yield from check(name, text)


def files_of(root):
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            is_checked = path.suffix in TEXT and path.is_file() and not path.is_symlink()
            if is_checked and not GENERATED.search(name) and "__pycache__" not in name and not name.startswith("tests/style/"):
                yield path, name


def main(arguments):
    root = Path(arguments[1] if len(arguments) > 1 else ".").resolve()
    findings = 0
    for path, name in files_of(root):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for line, sentence in check_text(name, text):
            findings += 1
            print(f"{name}:{line}: {sentence}")
    print(f"style: {findings} findings" if findings else "style: nothing found")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
