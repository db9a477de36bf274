"""Writes a folder of files, and openapi.json, as one C++ file: `embed.py WEB OPENAPI OUT` (WEB has dist/ and node_modules/) makes what assets.h declares."""

import json
import sys
from pathlib import Path

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".svg": "image/svg+xml", ".png": "image/png", ".woff2": "font/woff2", ".json": "application/json",
         ".webmanifest": "application/manifest+json", ".ico": "image/x-icon", ".txt": "text/plain; charset=utf-8"}


def array(name, data):
    lines = [", ".join(str(byte) for byte in data[at : at + 40]) for at in range(0, len(data), 40)]
    return f"constexpr unsigned char {name}[] = {{\n" + ",\n".join(lines) + "};\n"


def view(name):
    return f"std::string_view(reinterpret_cast<const char*>({name}), sizeof {name})"


def licenses(web):
    """What the packages ask to be given along with what is made of them."""
    packages = json.loads((web / "package.json").read_text())["dependencies"]
    for name in sorted([*packages, "scheduler"]):
        folder = web / "node_modules" / name
        text = next(path for path in sorted(folder.iterdir()) if path.name.upper().startswith("LICENSE")).read_text()
        yield f"{name} {json.loads((folder / 'package.json').read_text())['version']}\n\n{text.strip()}\n"


def main(web, openapi, out):
    dist = Path(web) / "dist"
    (dist / "licenses.txt").write_text(("\n" + "-" * 78 + "\n\n").join(licenses(Path(web))))
    files = sorted(path for path in dist.rglob("*") if path.is_file() and path.stat().st_size)
    text = '#include "console/assets.h"\n\nnamespace assent::console {\nnamespace {\n\n'
    for number, path in enumerate(files):
        text += array(f"file_{number}", path.read_bytes())
    text += array("openapi", Path(openapi).read_bytes()) + "\nconst Asset assets[] = {\n"
    for number, path in enumerate(files):
        text += f'    {{"/{path.relative_to(dist).as_posix()}", "{TYPES[path.suffix]}", {view(f"file_{number}")}}},\n'
    text += "};\n\n}  // namespace\n\nstd::span<const Asset> web_assets() noexcept { return assets; }\n"
    text += f"\nstd::string_view openapi_text() noexcept {{ return {view('openapi')}; }}\n\n}}  // namespace assent::console\n"
    Path(out).write_text(text)


main(*sys.argv[1:])
