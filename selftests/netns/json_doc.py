# SPDX-License-Identifier: MIT
"""json_doc.py docs/json.md docs/drops.md ANSWER ...: what the tables of docs/json.md say of `wgx show --json`, and
what the answers have. One line for each difference; exit status 1 where there is one."""
import json
import re
import sys

TYPES = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object", type(None): "null"}


def rows(path, columns):
    """The cells of those table rows of a Markdown file that begin with `code`."""
    for line in open(path, encoding="utf-8"):
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if line.startswith("| `") and len(cells) >= columns:
            yield cells


def documented(path):
    return {c[0].strip("`"): set(c[1].split(" or ")) for c in rows(path, 3)}


def walk(value, path, seen, reasons):
    seen.setdefault(path, set()).add(TYPES[type(value)])
    if isinstance(value, list):
        for v in value:
            walk(v, path + "[]", seen, reasons)
    elif isinstance(value, dict):
        for k, v in value.items():
            if re.search(r"(^|\.)drops$", path):
                if k not in reasons:
                    print(f"{path}.{k}: no reason of docs/drops.md")
                k = "REASON"
            walk(v, f"{path}.{k}" if path else k, seen, reasons)


def differences(doc, seen):
    for path in sorted(doc.keys() | seen.keys()):
        if path not in doc:
            yield f"{path}: not documented"
        elif path not in seen:
            yield f"{path}: documented, not seen"
        elif doc[path] != seen[path]:
            yield f"{path}: documented as {doc[path]}, seen as {seen[path]}"


def main():
    reasons = {c[0].strip("`") for c in rows(sys.argv[2], 4)}
    seen = {}
    for name in sys.argv[3:]:
        walk(json.load(open(name, encoding="utf-8")), "", seen, reasons)
    del seen[""]
    found = list(differences(documented(sys.argv[1]), seen))
    print("\n".join(found) or f"{len(seen)} members")
    return bool(found)


sys.exit(main())
