#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fault_table.py NAME FILE...: how many places failed, by function, and which did not; of tables of syscall_faults.py.

A line of them is a place: its function, its object and the offset in it, how often it failed, and where it
is, or "-".
"""
import sys

places = {}  # function, object, offset -> [how often it failed, where it is]
for path in sys.argv[2:]:
    with open(path) as f:
        for line in f:
            function, name, offset, n, where = line.rstrip("\n").split(" ", 4)
            place = places.setdefault((function, name, offset), [0, "-"])
            place[0] += int(n)
            place[1] = max(place[1], where)

by = {}
for (function, _, _), (n, _) in places.items():
    t = by.setdefault(function, [0, 0, 0])
    t[0] += n > 0
    t[1] += 1
    t[2] += n
print(f"# {sys.argv[1]}: {sum(t[2] for t in by.values())} faults at {sum(t[0] for t in by.values())} of {sum(t[1] for t in by.values())} places: "
      + ", ".join(f"{f} {t[0]}/{t[1]}" for f, t in sorted(by.items())))
for (function, name, _), (n, where) in sorted(places.items()):
    if not n:
        print(f"# never: {function} in {where} of {name}")
