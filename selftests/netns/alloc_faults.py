#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each request to the daemon, over and over; each time another allocation of it fails, once.

alloc_faults.py WGX NOMEM_SO DIRECTORY PEER_KEY ENDPOINT PEER_ADDRESS

Runs on a host of its own (see lib.sh), whose peer is there; eth0 and lan0 are its devices. A request works, or says what
is wrong and leaves all as it was; done again it works. The daemon is the same to the end, has no more descriptors than
before, and, where a failure leaves more memory allocated, it does not do so a second and a third time.
Environment: SECONDS_MAX=n: allocations in random order until the time is over (SEED=n); else of each way to an allocation
its first and its last. ONLY=STEP; NTH=n.
"""
import glob
import hashlib
import json
import mmap
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import syscall_faults as common  # noqa: E402
from syscall_faults import DIR, ENDPOINT, MORE, PEER, PEER_ADDRESS, WGX, Failure, descriptors, must, run, wait_for  # noqa: E402

FRAMES, FRAME, HEAD, WAYS, PROCESSES = 12, 48, 24, 65536, 4096
WAYS_AT = HEAD + FRAMES * FRAME
CALLERS_AT = WAYS_AT + 4 * WAYS
LIVE_AT = CALLERS_AT + 8 * WAYS
FILE = os.path.join(DIR, "nomem")
common.ENV["NOMEM"] = FILE
WORDS = "armed", "nth", "seen", "hit", "processes"


class Shared:
    """the file that nomem.so shares with us"""

    def __init__(self):
        with open(FILE, "wb") as f:
            f.truncate(LIVE_AT + 8 * PROCESSES)
        self.file = open(FILE, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 0)

    def __getattr__(self, word):
        return struct.unpack_from("<I", self.map, 4 * WORDS.index(word))[0]

    def put(self, word, value):
        struct.pack_into("<I", self.map, 4 * WORDS.index(word), value)

    def arm(self, nth):
        for word, value in (("nth", nth), ("seen", 0), ("hit", 0), ("armed", 1)):
            self.put(word, value)

    def disarm(self):
        self.put("armed", 0)

    def live(self, process):
        return struct.unpack_from("<q", self.map, LIVE_AT + 8 * process)[0]

    def ways(self):
        return struct.unpack_from(f"<{min(self.seen, WAYS)}I", self.map, WAYS_AT)

    def by(self, function):
        """the allocations that a function of wgx has asked for, itself or by a library"""
        callers = struct.unpack_from(f"<{min(self.seen, WAYS)}Q", self.map, CALLERS_AT)
        theirs = {c for c in set(callers) if c and common.symbol(c, "wgx").split()[0] == function}
        return [n for n, c in enumerate(callers, 1) if c in theirs]

    def frames(self):
        out = []
        for i in range(FRAMES):
            offset, name = struct.unpack_from("<Q40s", self.map, HEAD + i * FRAME)
            if name := name.split(b"\0")[0].decode():
                out.append(common.symbol(offset, name) + f" of {name}")
        return ", ".join(out[:8])


# ---- what is there ----


def ask(pattern, request, end):
    """by the sockets themselves: a command takes longer than most of what is tried here"""
    (path,) = glob.glob(pattern)
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(path)
        s.sendall(request)
        answer = b""
        while not answer.endswith(end):
            if not (more := s.recv(65536)):
                raise Failure(f"{path}: no answer but {answer!r}")
            answer += more
    return answer.decode()


def show():
    return json.loads(ask("/run/wgx/*.sock", b'{"cmd":"show"}\n', b"\n"))


def config():
    changing = "rx_bytes", "tx_bytes", "last_handshake_time_sec", "last_handshake_time_nsec", "endpoint"
    lines = ask("/run/wireguard/wg0.sock", b"get=1\n\n", b"\n\n").splitlines()
    # a difference is told, a key is not
    return [f"private_key#{hashlib.sha256(l.encode()).hexdigest()[:8]}" if l.startswith("private_key=") else l
            for l in lines if l.partition("=")[0] not in changing]


def state():
    """all that a failure has to leave as it was"""
    s = show()
    devices = sorted((a["device"], a["mode"], (a["lan"] or {}).get("way"), bool(a["strict"])) for a in s["attached"])
    names = sorted((i["name"], i["up"], tuple((p["public_key"], p["name"]) for p in i["peers"])) for i in s["interfaces"])
    return [devices, s["awaited"], names, config()]


def keys(value):
    """the shape of a document"""
    if isinstance(value, dict):
        return {k: keys(v) for k, v in value.items()}
    return [keys(v) for v in value] if isinstance(value, list) else type(value).__name__


def show_all():
    r = run(WGX, "show", "--json")
    if r.returncode == 0 and (found := keys(json.loads(r.stdout))) != show_all.wanted:
        show_all.wanted = show_all.wanted or found
        if found != show_all.wanted:
            raise Failure(f"show is not complete: {r.stdout}")
    return r


show_all.wanted = None


def wg_show():
    r = run("wg", "show", "wg0", "dump")
    lines = [[w for i, w in enumerate(l.split("\t")) if i not in (4, 5, 6) or not n]
             for n, l in enumerate(r.stdout.splitlines())]
    if r.returncode == 0 and lines != wg_show.wanted:
        wg_show.wanted = wg_show.wanted or lines
        if lines != wg_show.wanted:
            raise Failure(f"wg show is not complete: {r.stdout}")
    return r


wg_show.wanted = None


def wgx(*args):
    return lambda: run(WGX, *args)


def wg_set(*args):
    return lambda: run("wg", "set", "wg0", *args)


def restart():
    """where the machine is so busy that the new process is not ready in time, the old one ends it: then once more"""
    for _ in range(3):
        r = run(WGX, "restart", shim=True)
        if r.returncode == 0 or (shared.armed and shared.hit) or "Killed" not in r.stderr:
            break
    return r


# name, what is done, what undoes it, shown by what
STEPS = [
    ("show", show_all, None),
    ("wg show", wg_show, None),
    ("set peer", wg_set("peer", MORE, "preshared-key", f"{DIR}/psk", "endpoint", "198.51.100.1:9", "allowed-ips",
                        "10.9.0.0/16,fd09::/64"), wg_set("peer", MORE, "remove")),
    ("set port", wg_set("listen-port", "51999"), wg_set("listen-port", "51820")),
    ("set key", wg_set("private-key", f"{DIR}/key2"), wg_set("private-key", f"{DIR}/key")),
    ("name", wgx("name", "wg0", PEER, "beta"), wgx("name", "wg0", PEER, "--none")),
    ("attach", wgx("attach", "eth0", "--mode", "tcx", "--strict", "--exempt", "198.51.100.0/24"), wgx("detach", "eth0")),
    ("attach native", wgx("attach", "eth0", "--mode", "native"), wgx("detach", "eth0")),
    ("attach lan", wgx("attach", "lan0", "--lan"), wgx("detach", "lan0")),
    ("attach native lan", wgx("attach", "lan0", "--lan=native"), wgx("detach", "lan0")),
    ("detach", wgx("detach", "eth0"), wgx("attach", "eth0", "--strict")),
    ("interface", wgx("wg1"), lambda: run("ip", "link", "del", "wg1")),
    ("restart", restart, None),
]
KEPT = "attach", "interface"  # where those for the answer, when all is done, are tried in any case: some hid that it was
LINE_BY_LINE = "set peer", "set port", "set key"  # what came before the refused line stays, as with wireguard-go


def settle(pid, process, baseline):
    """Return: how much more is allocated than before, once nothing changes any more"""
    end = time.monotonic() + 0.5
    while (more := shared.live(process) - baseline) > 0 and time.monotonic() < end:
        time.sleep(0.01)
    return more


def undo(name, action):
    if action and (r := action()).returncode:
        raise Failure(f"{name} cannot be undone: {r.stderr.strip()}")


def gone(name):
    """what is deleted goes a moment later"""
    wait_for(10, f"after {name} all is as before: {state()}", lambda: state() == before_all)


def attempt(name, action, back, nth):
    """one failure. Return: whether it has happened"""
    shared.arm(nth)
    try:
        r = action()
    finally:
        shared.disarm()
    hit = shared.hit
    turned_away = hit and r.returncode == -signal.SIGPIPE # wg, where there was no memory for another client
    if r.returncode < 0 and not turned_away:
        raise Failure(f"{name}: signal {-r.returncode}")
    if r.returncode:
        if not hit:
            raise Failure(f"{name} failed without a fault: {r.stderr.strip()}")
        if not r.stderr.strip() and not turned_away:
            raise Failure(f"{name} failed and says nothing")
        now = state()
        if now != before_all and name not in LINE_BY_LINE:
            if "no memory for the answer" not in r.stderr and "ended without an answer" not in r.stderr:
                raise Failure(f"{name} failed ({r.stderr.strip()}) and leaves {now} instead of {before_all}")
            undo(name, back)
            gone(name)
        if (r := action()).returncode:
            raise Failure(f"{name} failed again: {r.stderr.strip()}")
    now = state()
    if now != wanted[name]:
        wait_for(5, f"{name} worked, and leaves {now} instead of {wanted[name]}", lambda: state() == wanted[name])
    undo(name, back)
    gone(name)
    return hit


def choose(name, action, back):
    """Of each way to an allocation the first and the last"""
    shared.arm(0)
    r = action()
    shared.disarm()
    if r.returncode:
        raise Failure(f"{name} does not work: {r.stderr.strip()}")
    wanted[name] = state()
    answers = shared.by("handle_line") + shared.by("answer_text")
    first, last = {}, {}
    for n, way in enumerate(shared.ways(), 1):
        first.setdefault(way, n)
        last[way] = n
    undo(name, back)
    gone(name)
    found = sorted(set(first.values()) | set(last.values()))
    return found, [n for n in found if n in answers]


def process_of(name, before):
    """the daemon's place in the file: it is the latest that has started with nomem.so, but for a restart that failed"""
    return before if name != "restart" else shared.processes - 1


def begin():
    must(WGX, "--version")
    if (r := run(WGX, "wg0", shim=True)).returncode:
        raise Failure(r.stderr)
    process = shared.processes - 1
    must("wg", "set", "wg0", "listen-port", "51820", "private-key", f"{DIR}/key", "peer", PEER, "endpoint", ENDPOINT,
         "allowed-ips", f"{PEER_ADDRESS}/32")
    must("ip", "link", "set", "wg0", "up")
    must("ip", "addr", "add", "10.7.0.1/24", "dev", "wg0")
    must(WGX, "show")
    return process


def one(name, action, back, nth, process):
    """a failure, twice more where it leaves something. Return: whether it has happened, what is wrong or None"""
    hits, grown = 0, []
    for _ in range(3):
        pid, fds, memory = show()["pid"], None, shared.live(process)
        fds = descriptors(pid)
        try:
            if attempt(name, action, back, nth):
                hits += 1
            now = show()["pid"]
        except (Failure, subprocess.TimeoutExpired, json.JSONDecodeError, KeyError) as e:
            return True, f"{e or repr(e)}; at {shared.frames()}"
        if name == "restart":
            if now == pid:
                return True, f"it is the old daemon; at {shared.frames()}"
            return hits > 0, None
        if now != pid:
            return True, f"it is another daemon; at {shared.frames()}"
        more = settle(pid, process, memory)
        try:
            wait_for(2, "", lambda: descriptors(pid) <= fds)
        except Failure:
            return True, f"{descriptors(pid)} descriptors instead of {fds}; at {shared.frames()}"
        if more <= 0:
            return hits > 0, None
        grown.append(more)
    return hits > 0, f"each time more is allocated: {grown}; at {shared.frames()}"


def main():
    global before_all
    seconds = float(os.environ.get("SECONDS_MAX") or 0)
    process = begin()
    must("ping", "-q", "-c", "1", "-w", "30", "-i", "0.2", PEER_ADDRESS)
    start, failed, hits, done, sites = time.monotonic(), 0, 0, 0, 0
    steps = [s for s in STEPS if os.environ.get("ONLY", s[0]) == s[0]]
    for i, (name, action, back) in enumerate(steps):
        if name == "detach":
            must(WGX, "attach", "eth0", "--strict")
        elif name == "interface":
            run(WGX, "detach", "eth0")
        elif name == "restart":
            must(WGX, "attach", "eth0", "--strict")
            must(WGX, "attach", "lan0", "--lan")
        before_all = state()
        for _ in range(2):  # what is made once is there then
            todo, answers = choose(name, action, back)
            process = process_of(name, process)
        sites += len(todo)
        if os.environ.get("NTH"):
            todo = [int(os.environ["NTH"])]
        elif seconds:
            random.Random(int(os.environ.get("SEED", "1"))).shuffle(todo)
            if name not in KEPT:
                answers = []
            todo = answers + todo
        end, said = start + seconds * (i + 1) / len(steps), time.monotonic()
        count = 0
        for nth in todo:
            if seconds and count and count >= len(answers) and time.monotonic() > end:
                break
            hit, wrong = one(name, action, back, nth, process)
            process = process_of(name, process)
            hits, done, count = hits + hit, done + 1, count + 1
            if wrong:
                failed += 1
                print(f"# NOMEM {name}, allocation {nth}: {wrong}", flush=True)
                if failed > 20:
                    break
            if time.monotonic() - said > 60:
                said = time.monotonic()
                print(f"# {name}: {count} of {len(todo)}", flush=True)
        print(f"# {name}: {count} of {len(todo)} allocations", flush=True)
    must("ping", "-q", "-c", "1", "-w", "30", "-i", "0.2", PEER_ADDRESS)
    run(WGX, "detach", "lan0")
    run(WGX, "detach", "eth0")
    must("ip", "link", "del", "wg0")
    wait_for(20, "nothing is left", lambda: not [l for l in common.left().split(", ") if l and "lan" not in l])
    print(f"# {done} requests, {hits} allocations of {sites} failed, {failed} times it did harm", flush=True)
    return 1 if failed or not hits else 0


shared, before_all, wanted = Shared(), None, {}
if __name__ == "__main__":
    sys.exit(main())
