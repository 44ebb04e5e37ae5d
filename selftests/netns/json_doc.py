# SPDX-License-Identifier: MIT
"""json_doc.py docs/json.md docs/drops.md COMMAND ANSWER ...: what the tables of docs/json.md say of `wgx COMMAND
--json`, and what the answers have. One line for each difference; exit status 1 where there is one."""
import json
import re
import sys

TYPES = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object", float: "number",
         type(None): "null"}


def rows(path, columns, *headings):
    """The cells of those table rows of a Markdown file that begin with `code`; below such headings only."""
    here = [""] * 6
    for line in open(path, encoding="utf-8"):
        heading = re.match("(#+) (.*)", line)
        if heading:
            level = len(heading[1])
            here[level - 1:] = [heading[2]] + [""] * (6 - level)
        cells = [c.strip() for c in line.strip()[1:-1].split("|")]
        if line.startswith("| `") and len(cells) >= columns and set(headings) <= set(here):
            yield cells


def documented(path, *headings):
    return {c[0].strip("`"): set(c[1].split(" or ")) for c in rows(path, 3, *headings)}


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


def objects(names):
    """One object a file."""
    for name in names:
        yield json.load(open(name, encoding="utf-8"))


def lines(names):
    """One object a line."""
    for name in names:
        for line in open(name, encoding="utf-8"):
            yield json.loads(line)


def tree(doc, reasons, heading, names):
    """Members of members, each by its path."""
    seen = {}
    for answer in objects(names):
        walk(answer, "", seen, reasons)
    del seen[""]
    return documented(doc, heading), seen


def events(doc, reasons, heading, names):
    """Flat objects: of each event its members, and of each member its types."""
    said = documented(doc, heading, "Members")
    said |= {f"event {c[0].strip('`')}": set(c[1].split()) for c in rows(doc, 3, heading, "Events")}
    seen = {}
    for event in lines(names):
        for member, value in event.items():
            seen.setdefault(member, set()).add(TYPES[type(value)])
        members = seen.setdefault(f"event {event['event']}", event.keys() - {"time", "event"})
        if members != event.keys() - {"time", "event"}:
            print(f"event {event['event']}: once with {members}, once with {event.keys()}")
        if event.get("reason", reasons[0]) not in reasons:
            print(f"{event['reason']}: no reason of docs/drops.md")
    return said, seen


def main():
    doc, drops, command, *names = sys.argv[1:]
    reasons = [c[0].strip("`") for c in rows(drops, 4)]
    compare = events if command == "monitor" else tree
    said, seen = compare(doc, reasons, f"`wgx {command} --json`", names)
    found = list(differences(said, seen))
    print("\n".join(found) or f"{len(seen)} members")
    return bool(found)


sys.exit(main())
