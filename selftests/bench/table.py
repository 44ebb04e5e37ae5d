#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""table.py RESULTS.TSV: medians and ratios of a bench's rounds, as a Markdown table.
table.py --insert SECTION.md RESULTS.md: puts a section at the top of the results."""
import collections
import os
import statistics
import sys

TITLES = {
    "tcp1": "TCP ×1", "tcp4": "TCP ×4", "bidir": "TCP both ways at once", "rr": "request/response",
    "fixed": "TCP held at 1 Gbit/s", "lossless": "UDP without loss, 1392 bytes", "idle": "no traffic, both daemons",
    "none": "no flood", "badmac1": "initiations with a wrong mac1", "mac1": "initiations with the right mac1",
    "mac2": "initiations with the right mac1 and a wrong cookie", "index": "data with random indices",
    "tag": "data with a right index and a wrong tag", "replay": "replayed data",
    "router": "a gateway between a LAN and a tunnel", "tcp-in": "TCP ×1 into the tunnel",
    "tcp-out": "TCP ×1 out of it", "udp64-opened": "UDP overload, 64 bytes, opened by the peer",
    "udp64-flow": "UDP overload, 64 bytes, one flow",
    "pass": "a link that passes superframes", "segment": "a link that segments (GRO at the receiver)",
}
SIDE = ("cpu", "retransmits", "sent-kpps") # said beside the value, not a row of their own
LESS = ("us", "s", "ns", "cores", "ns/B", "ms/s") # units of which less is better


def load(path):
    """(link, test, metric) -> {impl: [value of each round]}, in the order of first appearance; and what is no number:
    link -> {(test, impl): the last equation}"""
    data, equations = collections.OrderedDict(), {}
    for line in open(path):
        link, impl, _, test, metric, value = line.rstrip("\n").split("\t")
        if metric == "equation":
            equations.setdefault(link, {})[test, impl] = value
            continue
        try:
            number = float(value)
        except ValueError:
            continue # that round's test failed
        data.setdefault((link, test, metric), {}).setdefault(impl, []).append(number)
    return data, equations


def cell(values):
    if not values:
        return "—"
    digits = 2 if max(values) < 100 else 0
    low, mid, high = (f"{f(values):.{digits}f}" for f in (min, statistics.median, max))
    return f"**{mid}** ({low} to {high})"


def ratio(first, second):
    if not first or not second or not round(statistics.median(second), 2):
        return "—"
    r = statistics.median(first) / statistics.median(second)
    return f"{r:.{0 if r >= 100 else 2}f}×"


def title(test):
    if test.startswith("open"):
        return f"opening, {test[4:]} bytes"
    return TITLES.get(test, f"UDP overload, {test[3:]} bytes" if test.startswith("udp") else test)


def table(data, link, impls, equations):
    name = TITLES.get(link, link)
    # each against the last, or the first alone where they are many
    compared = []
    if len(impls) == 2 or impls[-1] in ("wireguard-go", "stack"):
        compared = [(i, impls[-1]) for i in (impls[:-1] if impls[-1] == "stack" else impls[:1])]
    has_cpu = any(lk == link and metric == "cpu" for lk, _, metric in data)
    head = impls + ["ratio" if len(impls) == 2 else " : ".join(c) for c in compared] + ["cores in use"][:has_cpu]
    out = [f"### {name[0].upper()}{name[1:]}", "", "| | " + " | ".join(head) + " |", "| --- " * (1 + len(head)) + "|"]
    for (lk, test, metric), by_impl in data.items():
        if lk != link or metric in SIDE:
            continue
        less = " (less is better)" if metric.split("-")[-1] in LESS else ""
        row = [f"{title(test)}, {metric.replace('-', ', ')}{less}"] + [cell(by_impl.get(i, [])) for i in impls]
        row += [ratio(*(by_impl.get(i, []) for i in c)) for c in compared]
        if has_cpu:
            cpu = data.get((link, test, "cpu"), {})
            row.append(" / ".join(f"{statistics.median(cpu[i]):.2f}" if i in cpu else "—" for i in impls))
        out.append("| " + " | ".join(row) + " |")
    out += [""] + retransmits(data, link, impls)
    told = [f"- {test}, {impl}: {text}" for (test, impl), text in equations.get(link, {}).items()]
    return out + (["What became of each packet, in the last round:", ""] + told + [""] if told else [])


def retransmits(data, link, impls):
    told = []
    for (lk, test, metric), by_impl in data.items():
        if lk == link and metric == "retransmits":
            counts = " / ".join(f"{statistics.median(by_impl[i]):.0f}" if i in by_impl else "—" for i in impls)
            told.append(f"{title(test)} {counts}")
    return [f"Retransmits, median a round ({' / '.join(impls)}): {', '.join(told)}.", ""] if told else []


def insert(section, results):
    """The newest section stands first, after the page's title."""
    text = open(results).read() if os.path.exists(results) else "# Measurements\n\n"
    head, mark, rest = text.partition("\n## ")
    with open(results, "w") as f:
        f.write(head.rstrip("\n") + "\n\n" + open(section).read().rstrip("\n") + "\n" + (mark + rest if mark else ""))


def main():
    if sys.argv[1:2] == ["--insert"]:
        return insert(*sys.argv[2:4])
    data, equations = load(sys.argv[1])
    impls = list(dict.fromkeys(i for by_impl in data.values() for i in by_impl))
    impls.sort(key=lambda i: i == "wireguard-go") # the ratio is always wgx over the other
    rounds = max((len(v) for by_impl in data.values() for v in by_impl.values()), default=0)
    if not rounds:
        sys.exit("no results")
    print(f"Medians of {rounds} rounds (lowest to highest).\n")
    for link in dict.fromkeys(k[0] for k in data):
        print("\n".join(table(data, link, impls, equations)))


main()
