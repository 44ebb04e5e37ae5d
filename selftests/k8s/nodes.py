#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Simulated Nodes: makes them, and changes them at a rate, as the administrator.

	nodes.py SERVER DIR make N            N Nodes with pod CIDRs in 10.128.0.0/9, keys, endpoints and images
	nodes.py SERVER DIR churn N RATE S    for S seconds: half of the changes are endpoints, half heartbeats
	nodes.py SERVER DIR move I ADDRESS    Node I has this endpoint

DIR has ca.crt, admin.crt and admin.key. churn prints how many changes were made, and how many of them were refused.
"""
import base64, http.client, json, os, random, ssl, sys, threading, time

PREFIX = "wgx.dev/"


class Api:
    def __init__(self, server, directory):
        context = ssl.create_default_context(cafile=f"{directory}/ca.crt")
        context.load_cert_chain(f"{directory}/admin.crt", f"{directory}/admin.key")
        self.connection = http.client.HTTPSConnection(server, context=context, timeout=30)

    def ask(self, method, path, body, kind="application/json"):
        self.connection.request(method, path, json.dumps(body), {"Content-Type": kind})
        answer = self.connection.getresponse()
        answer.read()
        return answer.status

    def patch(self, name, body, status=False):
        return self.ask("PATCH", f"/api/v1/nodes/{name}" + ("/status" if status else ""), body, "application/merge-patch+json")


def name(i):
    return f"sim-{i:04}"


def node(i):
    key = base64.b64encode(os.urandom(32)).decode()
    cidrs = [f"10.{128 + i // 256}.{i % 256}.0/24", f"fd10:245:0:{i:x}::/64"]
    images = [{"names": [f"registry.example.com/team/image-{i}-{j}@sha256:{'0' * 64}"], "sizeBytes": 100000000 + j} for j in range(40)]
    return {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name(i), "annotations": {PREFIX + "public-key": key, PREFIX + "endpoints": f"198.51.{i // 250}.{i % 250 + 1}:51820"}},
        "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs},
        "status": {"images": images},
    }


def endpoint(text):
    return {"metadata": {"annotations": {PREFIX + "endpoints": text}}}


def heartbeat(n):
    return {"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": f"heartbeat {n}"}]}}


def churn_one(api, n, rate, seconds, results):
    begin = time.monotonic()
    made = refused = 0
    while time.monotonic() < begin + seconds:
        who = name(random.randrange(1, n))
        if made % 2:
            status = api.patch(who, heartbeat(made), True)
        else:
            status = api.patch(who, endpoint(f"203.0.{random.randrange(256)}.{random.randrange(1, 255)}:51820"))
        made += 1
        refused += status != 200
        time.sleep(max(0, begin + made / rate - time.monotonic()))
    results.append((made, refused))


def churn(connect, n, rate, seconds):
    """By several clients: one would wait for each answer."""
    results, clients = [], 8
    threads = [threading.Thread(target=churn_one, args=(connect(), n, rate / clients, seconds, results)) for _ in range(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(sum(r[0] for r in results), sum(r[1] for r in results) + clients - len(results))


def main():
    server, directory, what, *rest = sys.argv[1:]
    api = Api(server, directory)
    if what == "make":
        for i in range(int(rest[0])):
            status = api.ask("POST", "/api/v1/nodes", node(i))
            if status != 201:
                sys.exit(f"{name(i)}: status {status}")
    elif what == "churn":
        churn(lambda: Api(server, directory), int(rest[0]), float(rest[1]), float(rest[2]))
    elif what == "move":
        sys.exit(api.patch(name(int(rest[0])), endpoint(rest[1])) != 200)


main()
