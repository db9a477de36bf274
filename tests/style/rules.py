"""The rules of the project's style that a program can check; check.py applies them, test_check.py proves that it does."""

FILE_LINES = 800
FUNCTION_LINES = 70

# Folders of userspace/ and what each may include besides itself; base and the model may be included wherever it says "model".
_BELOW_SESSION = {"base", "model", "sql", "wire", "policy"}
_SHELL = {"resolve", "io", "kernel", "tls", "record", "approve", "identity", "secrets", "console", "notify", "privsep", "control"}
LAYERS = {
    "base": set(),
    "model": {"base"},
    "sql": {"base", "model"},
    "wire": {"base", "model", "sql"},      # never the policy
    "policy": {"base", "model", "sql"},    # never a protocol
    "session": _BELOW_SESSION,
    **{folder: _BELOW_SESSION | {"session"} for folder in _SHELL},
    "control": _BELOW_SESSION | {"session", "approve"},  # its peers are the desk's persons
    "console": _BELOW_SESSION | {"control", "approve", "identity", "tls", "secrets"},  # programs of their own, with nothing
    "notify": _BELOW_SESSION | {"control", "approve", "secrets"},                      # of the daemon's
    "app": _BELOW_SESSION | _SHELL | {"session"},
    "cli": _BELOW_SESSION | _SHELL | {"session"},
}

# Headers of a library that one folder owns: everything else goes through that folder.
OWNED_HEADERS = {
    "liburing.h": {"io"},
    "bpf/libbpf.h": {"kernel"},
    "bpf/bpf.h": {"kernel"},
    "openssl/ssl.h": {"tls"},
    "httplib.h": {"identity", "console"},
    "sqlite3.h": {"approve"},
    "curl/curl.h": {"notify"},
    "pg_query.h": {"sql"},
    "yaml-cpp/yaml.h": {"policy", "sql"},
}

# Calls that have a safe spelling in base/ or the standard library, and why they are refused.
BANNED_CALLS = {
    r"\bstr(cpy|cat)\s*\(": "no bounds: use std::string",
    r"\bv?sprintf\s*\(": "no bounds: use fmt",
    r"\bgets\s*\(": "no bounds",
    r"(?<![\w:.>])system\s*\(": "a shell: use posix_spawn or execve with a list",
    r"\bpopen\s*\(": "a shell: use posix_spawn or execve with a list",
    r"\bato(i|l|ll|f)\s*\(": "hides errors: use std::from_chars",
    r"(?<![\w:.>])s?rand\s*\(": "predictable: use base/ or OpenSSL's RAND_bytes",
    r"\bstd::regex\b": "not linear: use RE2",
    r"\bpg_query_normalize\w*\s*\(": "known stack overflow on deep expressions",
    r"\bstrtok\s*\(": "hidden state",
    r"\balloca\s*\(": "unbounded stack",
    r"\blongjmp\s*\(": "skips destructors",
    r"\b(tmpnam|mktemp)\s*\(": "races: use mkstemp or memfd_create",
}

# What no file of the project says.
BANNED_TEXT = {
    r"\b(TODO|FIXME|XXX|HACK)\b": "finish it, or say in a sentence what is not supported",
    r"\bGTEST_SKIP\b": "a skipped test is a failure",
    r"(?<![\w.])/(home|work|root)/[a-z]": "a path of one machine",
}
