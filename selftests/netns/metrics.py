# SPDX-License-Identifier: MIT
"""A client of `wgx metrics`, for selftests/netns/metrics.sh.

    metrics.py get PLACE PATH [METHOD]     status line, empty line, body; PLACE is HOST:PORT or a socket's path
    metrics.py query URL EXPRESSION        of Prometheus: a line for each sample, value and labels as JSON
    metrics.py trickle PLACE               a byte of a request a second; prints the seconds until it is ended
    metrics.py hold PLACE N                N connections, half of which trickle and half do not read the answer, until it
                                           is killed
    metrics.py families TEXT DOC DASHBOARD differences between the families in a scrape, in docs/metrics.md, and those
                                           that the dashboard asks for; status 1 where there is one. Where the scrape has
                                           families of the agent only, these are compared
    metrics.py dashboard URL DASHBOARD     asks Prometheus all that the dashboard does; status 1 where an answer is empty,
                                           or without the labels that the panel shows
"""
import http.client
import json
import re
import socket
import sys
import time
import urllib.parse
import urllib.request


def connect(place):
    if place.startswith("/"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(place)
        return s
    host, port = place.rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)))


def get(place, path, method="GET"):
    c = http.client.HTTPConnection("localhost")
    c.sock = connect(place)
    c.sock.settimeout(25)  # less than a connection may last
    c.request(method, path)
    r = c.getresponse()
    body = r.read().decode()
    text = f"{r.status} {r.getheader('Content-Type')} \n\n{body}"
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # the first line was enough
        sys.stdout = None


def samples(url, expression):
    q = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{url}/api/v1/query?{q}", timeout=10) as f:
        return [(r["value"][1], r["metric"]) for r in json.load(f)["data"]["result"]]


def query(url, expression):
    for value, labels in samples(url, expression):
        print(value, json.dumps(labels, sort_keys=True))


def trickle(place):
    s = connect(place)
    begin = time.monotonic()
    s.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
    s.settimeout(1)
    try:
        while True:
            s.sendall(b"x")
            try:
                if not s.recv(100):
                    break
            except socket.timeout:
                pass
    except OSError:
        pass
    print(int(time.monotonic() - begin), flush=True)


def hold(place, n):
    trickling, waiting = [], []
    for i in range(int(n)):
        s = connect(place)
        s.sendall(b"GET /metrics HTTP/1.1\r\nX: " + (b"" if i % 2 else b"\r\n\r\n"))
        (trickling if i % 2 else waiting).append(s)
    print("holding", flush=True)
    while True:
        for s in list(trickling):
            try:
                s.sendall(b"x")
            except OSError:
                trickling.remove(s)
        time.sleep(1)


def families(text, doc, dashboard):
    seen = set(re.findall(r"^# TYPE (\S+ \S+)$", open(text, encoding="utf-8").read(), re.M))
    documented = {" ".join(m) for m in re.findall(r"^\| `(w\w+)` \| (\w+) \|", open(doc, encoding="utf-8").read(), re.M)}
    wanted = set()
    for panel in json.load(open(dashboard, encoding="utf-8"))["panels"]:
        for target in panel.get("targets", []):
            wanted |= set(re.findall(r"\b(?:wgx|wireguard)_\w+", target["expr"]))
    names = {s.split()[0] for s in seen}
    agent = "wgx_agent_"
    if all(n.startswith(agent) for n in names):
        wanted = names  # the dashboard does not ask for them
    documented = {d for d in documented if d.startswith(agent) == all(n.startswith(agent) for n in names)}
    found = [f"{s}: documented, not seen" for s in sorted(documented - seen)]
    found += [f"{s}: not documented" for s in sorted(seen - documented)]
    found += [f"{s}: wanted by the dashboard, not seen" for s in sorted(wanted - names)]
    found += [] if wanted else ["the dashboard asks for nothing"]
    print("\n".join(found) or f"{len(seen)} families, {len(wanted)} in the dashboard")
    return bool(found)


def questions(dashboard):
    """What Grafana would ask with all variables at their first choice, "All": title, expression, labels that it shows"""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            expression, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            yield "$" + variable["name"], expression, [label]
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            labels = set(re.findall(r"{{(\w+)}}", target.get("legendFormat", "")))
            yield panel["title"], target["expr"], sorted(labels - {"friendly_name"})  # not each peer has a name


def dashboard(url, path):
    found, n = [], 0
    variables = {"instance": ".*", "interface": ".*", "__rate_interval": "20s"}
    for title, expression, labels in questions(json.load(open(path, encoding="utf-8"))):
        asked = re.sub(r"\$(\w+)", lambda m: variables[m[1]], expression)
        answer = samples(url, asked)
        shown = [a for a in answer if a[0] != "NaN" and all(label in a[1] for label in labels)]
        n += 1
        if not shown:
            found.append(f"{title}: {asked}: {len(answer)} samples, none with a number and {labels}")
    print("\n".join(found) or f"{n} questions, each has an answer")
    return bool(found) or n < 10


sys.exit(globals()[sys.argv[1]](*sys.argv[2:]))
