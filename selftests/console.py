# SPDX-License-Identifier: MIT
"""console.py FILE.md: what the document has people do, in its order, one thing a line, in words of which the last two
are in base64, "-" for none:
	run HOST COMMAND OUTPUT     from ```console blocks: "HOST# COMMAND", and what that prints
	file HOST PATH CONTENT      a ```ini or ```conf block that begins with "# HOST: PATH"
A backslash joins lines of a command."""
import base64
import re
import sys

BLOCK = re.compile(r"^```(console|ini|conf)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(block):
    """["run", host, command, output] of each"""
    found, joined = [], False
    for line in block.splitlines():
        start = re.match(r"(\w+)# (.*)", line)
        if joined:
            found[-1][2] += "\n" + line
        elif start:
            found.append(["run", start[1], start[2], ""])
        else:
            found[-1][3] += line + "\n"
            continue
        joined = line.endswith("\\")
    return found


def files(block):
    head = re.match(r"# (\w+): (/\S+)\n", block)
    return [["file", head[1], head[2], block[head.end():]]] if head else []


for kind, block in BLOCK.findall(open(sys.argv[1], encoding="utf-8").read()):
    for what, host, *texts in commands(block) if kind == "console" else files(block):
        print(what, host, *(base64.b64encode(t.encode()).decode() or "-" for t in texts))
