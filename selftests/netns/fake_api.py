#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An API server that misbehaves on demand: Nodes, listed, watched and patched, over TLS.

    fake_api.py DIR ADDRESS PORT

DIR/server.crt and server.key are its own. It reads DIR/mode at each request: what to do with the next list or watch.
DIR/nodes.json: the Nodes at the start, {NAME: OBJECT}; what is appended to DIR/changes, a line {"type", "object"}
each, is applied and told to watchers. Each request is a line of DIR/requests: METHOD KIND STATUS; an Event's has its
reason as well.
"""
import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

DIR, ADDRESS, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
lock = threading.Condition()
nodes = json.load(open(f"{DIR}/nodes.json"))
version = 100
log = []  # (version, event), all that has happened since the start
token = "right"


def mode():
    try:
        return open(f"{DIR}/mode").read().strip()
    except FileNotFoundError:
        return "ok"


def note(method, kind, status):
    with lock, open(f"{DIR}/requests", "a") as f:
        f.write(f"{method} {kind} {status}\n")


def change(kind, obj):
    """One event, for all watchers; under the lock."""
    global version
    version += 1
    obj["metadata"]["resourceVersion"] = str(version)
    if kind == "DELETED":
        nodes.pop(obj["metadata"]["name"], None)
    else:
        nodes[obj["metadata"]["name"]] = obj
    log.append((version, {"type": kind, "object": json.loads(json.dumps(obj))}))
    lock.notify_all()


def follow_changes():
    open(f"{DIR}/changes", "a").close()
    with open(f"{DIR}/changes") as f:
        rest = ""
        while True:
            rest += f.read()
            while "\n" in rest:
                line, rest = rest.split("\n", 1)
                event = json.loads(line)
                with lock:
                    change(event["type"], event["object"])
            time.sleep(0.05)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body, headers=()):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, kind, status, message, headers=()):
        note(self.command, kind, status)
        self.answer(status, {"kind": "Status", "code": status, "message": message}, headers)

    def authorized(self):
        return mode() != "401" and self.headers.get("Authorization") == f"Bearer {token}"

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def frame(self, event, pieces):
        data = json.dumps(event).encode() + b"\n"
        size = 7 if pieces else len(data)
        for i in range(0, len(data), size):
            self.chunk(data[i : i + size])

    def do_GET(self):
        url = urlparse(self.path)
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        kind = "watch" if query.get("watch") else "list"
        if url.path != "/api/v1/nodes":
            return self.refuse("other", 404, "no such thing")
        if not self.authorized():
            return self.refuse(kind, 401, "Unauthorized")
        if mode() == f"{kind}-429":
            return self.refuse(kind, 429, "too many", [("Retry-After", "3")])
        if mode() == f"{kind}-500":
            return self.refuse(kind, 500, "\x1b[31m broken")
        note("GET", kind, 200)
        return self.watch(int(query["resourceVersion"])) if kind == "watch" else self.list(query)

    def list(self, query):
        with lock:
            names = sorted(nodes)
            first = int(query.get("continue", "0"))
            size = 2 if mode() == "pages" else int(query["limit"])
            more = first + size < len(names)
            items = [nodes[n] for n in names[first : first + size]]
            meta = {"resourceVersion": str(version)}
            if more:
                meta["continue"] = str(first + size)
            body = json.loads(json.dumps({"kind": "NodeList", "metadata": meta, "items": items}))
        self.answer(200, body)

    def watch(self, since):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if mode() == "watch-empty":
            return self.chunk(b"")
        if mode() in ("watch-410", "list-429", "list-500"):  # whoever watches has to list
            status = {"kind": "Status", "metadata": {}, "code": 410, "reason": "Expired"}
            self.frame({"type": "ERROR", "object": status}, False)
            return self.chunk(b"")
        if mode() == "watch-garbage":
            self.chunk(b'{"type": "ADDED", "object": {"metadata": {"name"\n')
            return self.chunk(b"")
        begun, bookmarked = mode(), 0
        while mode() == begun:
            with lock:
                lock.wait(0.2)
                events = [(v, e) for v, e in log if v > since]
            for since, event in events:
                self.frame(event, begun == "pieces")
            # a version of the future, as of a server that was restored, is watched in silence
            if time.time() > bookmarked + 1 and since <= version:
                bookmarked = time.time()
                self.frame({"type": "BOOKMARK", "object": {"kind": "Node", "metadata":
                           {"resourceVersion": str(since)}}}, False)
        return self.chunk(b"")

    def do_PATCH(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = urlparse(self.path).path.split("/")[4]
        if not self.authorized():
            return self.refuse("patch", 401, "Unauthorized")
        with lock:
            if name not in nodes:
                obj = None
            else:
                obj = json.loads(json.dumps(nodes[name]))
                notes = obj["metadata"].setdefault("annotations", {})
                before = dict(notes)
                for key, value in body["metadata"]["annotations"].items():
                    if value is None:
                        notes.pop(key, None)
                    else:
                        notes[key] = value
                if notes != before:
                    change("MODIFIED", obj)
        if obj is None:
            return self.refuse("patch", 404, f"nodes {name} not found")
        note("PATCH", "patch", 200)
        return self.answer(200, obj)

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        note("POST", f"event {event['reason']}", 201)
        self.answer(201, {})


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{DIR}/server.crt", f"{DIR}/server.key")
server = ThreadingHTTPServer((ADDRESS, PORT), Handler)
server.daemon_threads = True
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=follow_changes, daemon=True).start()
server.serve_forever()
