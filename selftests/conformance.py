#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lines of docs/protocol.md against the tests that name them.

    conformance.py LOGDIR [OUTPUT]

Reads the TAP lines that a test run left below LOGDIR, and every line "P-XX-n" that a test's name
begins with. Writes the table to OUTPUT (docs/conformance.md). A line fails where no test names it,
where a test that names it failed, or where no mutation (selftests/mutations/P-XX-n*.patch) that
applies to this tree breaks it. Prints TAP: one line for each protocol line.
"""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINE = re.compile(r"P-[A-Z]+-\d+")
TAP = re.compile(r"^(not ok|ok) \d+ ?(.*)$")
SHOWN = 4  # tests of one program that are named; of more, the number is given
# The same programs once more, with sanitizers or without a library: one test.
ALIASES = ("asan/", "tsan/", "clang/")


def protocol_lines():
    """The checklist: [(id, text)], in the document's order."""
    lines = []
    with open(os.path.join(TOP, "docs/protocol.md"), encoding="utf-8") as f:
        for text in f:
            m = re.match(r"- (P-[A-Z]+-\d+) (.*)", text)
            if m:
                lines.append([m.group(1), m.group(2)])
            elif lines and re.match(r"  \S", text):
                lines[-1][1] += " " + text.strip()
    return lines


def tap_results(logdir):
    """Yields (program, test's name, 'pass' | 'fail' | 'skip', reason) of every TAP line below logdir."""
    for directory, _, files in sorted(os.walk(logdir)):
        for name in sorted(files):
            path = os.path.join(directory, name)
            program = os.path.relpath(path, logdir).removesuffix(".log")
            for alias in ALIASES:
                if program.startswith(alias):
                    program = "unit/" + program.removeprefix(alias)
            with open(path, encoding="utf-8", errors="replace") as f:
                for text in f:
                    m = TAP.match(text.rstrip("\n"))
                    if not m:
                        continue
                    description = m.group(2).removeprefix("- ")
                    skip = re.search(r"# *skip *(.*)", description, re.IGNORECASE)
                    if skip and not skip.start():  # cmocka: "not ok 1 # SKIP name"
                        yield program, skip.group(1), "skip", ""
                    elif skip:
                        yield program, description[: skip.start()].strip(), "skip", skip.group(1)
                    else:
                        yield program, description, "pass" if m.group(1) == "ok" else "fail", ""


def named(description):
    """The lines that a test's name begins with, and the rest of the name."""
    words = description.split()
    lines = []
    while words and LINE.fullmatch(words[0].rstrip(":,")):
        lines.append(words.pop(0).rstrip(":,"))
    return lines, " ".join(words)


def mutations():
    """{line: [file name]}, and the files that do not apply."""
    found, stale = {}, []
    directory = os.path.join(TOP, "selftests/mutations")
    for name in sorted(os.listdir(directory)):
        m = LINE.match(name)
        if not m or not name.endswith(".patch"):
            continue
        found.setdefault(m.group(0), []).append(name.removesuffix(".patch"))
        with open(os.path.join(directory, name), "rb") as patch:
            dry = subprocess.run(
                ["patch", "-p1", "--dry-run", "--force", "--silent"],
                stdin=patch, cwd=TOP, capture_output=True, check=False)
        if dry.returncode:
            stale.append(name)
    return found, stale


def cell(tests):
    """The second column: programs with their tests' names."""
    programs = {}
    for program, name in sorted(tests):
        programs.setdefault(program, []).append(name)
    parts = []
    for program, names in programs.items():
        shown = [n.replace("|", "\\|") for n in names[:SHOWN]]
        if len(names) > SHOWN:
            shown.append(f"and {len(names) - SHOWN} more")
        parts.append(f"`{program}`: " + "; ".join(shown))
    return "<br>".join(parts)


def main():
    logdir = sys.argv[1]
    output = sys.argv[2] if len(sys.argv) > 2 else os.path.join(TOP, "docs/conformance.md")
    lines = protocol_lines()
    known = {line for line, _ in lines}
    tests = {line: {} for line in known}  # line -> {(program, name): {result}}
    strays, reasons = set(), {}
    for program, description, result, reason in tap_results(logdir):
        names, rest = named(description)
        for line in names:
            if line not in known:
                strays.add(f"{program} names {line}, which docs/protocol.md lacks")
                continue
            tests[line].setdefault((program, rest), set()).add(result)
            if reason:
                reasons[line] = reason
    mutated, stale = mutations()

    out = ["# Conformance", "",
           "Every line of [protocol.md](protocol.md), the tests that name it, and their result. Written by",
           "`make test`; `make mutate` breaks the code once for each entry of the last column and expects",
           "the tests to notice.", "",
           "| line | tests | result | mutations |", "| --- | --- | --- | --- |"]
    failures = 0
    for number, (line, _) in enumerate(lines, 1):
        results = set().union(*tests[line].values()) if tests[line] else set()
        wrong = []
        if "fail" in results:
            result = "fails"
            wrong += [f"{p}: {n}" for (p, n), r in tests[line].items() if "fail" in r]
        elif "pass" in results:
            result = "passes"
        elif "skip" in results:
            result = "skipped: " + (reasons.get(line) or "see the test")
        else:
            result = "no test"
            wrong.append("no test names it")
        if line not in mutated:
            wrong.append("no mutation breaks it")
        wrong += [f"mutation {s} does not apply" for s in stale if LINE.match(s).group(0) == line]
        out.append(f"| {line} | {cell(tests[line])} | {result} | {', '.join(mutated.get(line, []))} |")
        print(f"{'not ok' if wrong else 'ok'} {number} - {line} is tested")
        for w in wrong:
            print(f"# {w}")
        failures += bool(wrong)
    stray = len(lines) + 1
    print(f"{'not ok' if strays else 'ok'} {stray} - every line that a test names exists")
    for s in sorted(strays):
        print(f"# {s}")
    print(f"1..{stray}")
    with open(output + ".new", "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")
    os.replace(output + ".new", output)
    return 1 if failures or strays else 0


if __name__ == "__main__":
    sys.exit(main())
