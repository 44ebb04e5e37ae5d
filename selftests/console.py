# SPDX-License-Identifier: MIT
"""console.py FILE.md: the commands of its ```console blocks, one a line: the host in front of "# ", the command and
what it prints, the last two in base64, "-" for none. A backslash joins lines of a command."""
import base64
import re
import sys


def blocks(text):
    return re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(block):
    """[host, command, output] of each"""
    found, joined = [], False
    for line in block.splitlines():
        start = re.match(r"(\w+)# (.*)", line)
        if joined:
            found[-1][1] += "\n" + line
        elif start:
            found.append([start[1], start[2], ""])
        else:
            found[-1][2] += line + "\n"
            continue
        joined = line.endswith("\\")
    return found


for block in blocks(open(sys.argv[1], encoding="utf-8").read()):
    for host, *texts in commands(block):
        print(host, *(base64.b64encode(t.encode()).decode() or "-" for t in texts))
