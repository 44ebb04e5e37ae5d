#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A life of wg0, over and over; in each of its steps one system call of one place in the code fails, once.

syscall_faults.py WGX FAULTS_SO DIRECTORY PEER_KEY ENDPOINT PEER_ADDRESS [storms | life | quick | restart | agent]

Runs on a host of its own (see lib.sh), whose peer is there. Each step of a life either works, or says what is wrong and
leaves all as it was; then it is done again with the next fault, and in the end without one, which works. Nobody crashes,
and at the end nothing is left. Of a place fail its first, second and last call, and the first in each step.
Where a life goes wrong, each of its faults has one to itself, to find out which it was.
Then two fail in one step: the second is a call that was made after the first had failed, because the step was given up or
went another way. Such a step may leave more than it found, but it works when it is done again, and the end is the same.
quick: a life is `wgx up` of a full tunnel and `wgx down`, with hooks; the file names the endpoint as far.test, which has to
be known. restart: `wgx restart`, so that calls fail in the old and in the new process. agent: `wgx agent` with the file
registry, where a node comes and goes, and with a daemon that nothing happens to.
storms: one life; each place of the packet path fails for a while at each call, with ENOBUFS and with EAGAIN.
Environment: SECONDS_MAX=n: faults in random order until the time is over (SEED=n); else all of them. SHARE=i/n: the i-th of n
parts of the places, from 0. TABLE=FILE: writes the places and how often each failed (fault_table.py reads it).
ONLY=FUNCTION; PLACE=n:STEP:CALL or n:STEP:CALL:n:CALL: this fault alone, or these two, as told where they did harm.
"""
import collections
import errno
import json
import mmap
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib

WGX, FAULTS_SO, DIR, PEER, ENDPOINT, PEER_ADDRESS = sys.argv[1:7]
SLOTS, HEAD, PLACE = 4096, 40, 96
NONE = 0xFFFFFFFF
FILE = os.path.join(DIR, "faults")
ASAN = os.path.join(DIR, "asan")
ENV = dict(os.environ, LD_PRELOAD=FAULTS_SO, FAULTS=FILE,
           ASAN_OPTIONS=f"verify_asan_link_order=0:detect_leaks=0:abort_on_error=0:log_path={ASAN}",
           UBSAN_OPTIONS=f"print_stacktrace=1:halt_on_error=1:log_path={ASAN}")
STEPS = ("quick-up", "quick-down", "start", "set", "up", "attach", "ping", "add", "show", "remove", "detach", "down", "restart",
         "agent", "join", "status", "plan", "leave", "agent-end", "again", "end")
# liburcu gives up where futex(2) or membarrier(2) fails in a way that they do not; others are of programs that wgx runs
LEFT_OUT = re.compile(r"lib(urcu|asan|ubsan|nftables|nftnl|mnl|xtables|readline|edit)\b")
PER_LIFE = 6 if os.environ.get("SECONDS_MAX") else 12  # faults, so that it is soon known which of them did harm
MORE = "GyHQZzqPz2UVPw1M3uUWzcuXyPoH3QB0sJ0mhKGR4lY="  # some key


# The second is counted from when the first has failed. NONE: there is none.
Fault = collections.namedtuple("Fault", "place step call then then_call", defaults=(NONE, 0))


class Failure(Exception):
    pass


class Faults:
    """the file that faults.so shares with us"""

    def __init__(self):
        with open(FILE, "wb") as f:
            f.truncate(HEAD + SLOTS * PLACE)
        self.file = open(FILE, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 0)

    def get(self, word):
        return struct.unpack_from("<I", self.map, 4 * word)[0]

    def set(self, word, value):
        struct.pack_into("<I", self.map, 4 * word, value)

    def arm(self, place=NONE, call=0, error=0):
        for word, value in ((1, place), (2, call), (3, 0), (4, 0), (5, 0), (7, error), (8, NONE), (0, 1)):
            self.set(word, value)

    def inject(self, fault=Fault(NONE, "", 0)):
        """the next one of the same life"""
        self.set(1, NONE)
        for p in self.places():
            struct.pack_into("<I", self.map, HEAD + p[0] * PLACE + 12, 0)
        for word, value in ((2, fault.call), (3, 0), (4, 0), (8, fault.then), (9, fault.then_call), (1, fault.place)):
            self.set(word, value)

    def hits(self):
        return self.get(4)

    def after(self):
        """place -> calls since one has failed"""
        found = ((p[0], struct.unpack_from("<I", self.map, HEAD + p[0] * PLACE + 12)[0]) for p in self.places())
        return {place: n for place, n in found if n}

    def crashed(self):
        return self.get(5)

    def places(self):
        for i in range(SLOTS):
            used, calls, faults, _, offset = struct.unpack_from("<IIIIQ", self.map, HEAD + i * PLACE)
            if used:
                text = self.map[HEAD + i * PLACE + 24 : HEAD + (i + 1) * PLACE]
                yield i, calls, faults, offset, text[:40].split(b"\0")[0].decode(), text[40:].split(b"\0")[0].decode()

    def calls(self):
        return {p[0]: p[1] for p in self.places() if p[1]}


class Plan:
    """the faults that are still to be injected, by step"""

    def __init__(self, todo=()):
        self.queues = {s: collections.deque(f for f in todo if f.step == s) for s in STEPS}
        self.missed, self.twice = [], 0
        self.begin()

    def begin(self):
        """a new life"""
        self.hits, self.armed, self.got_over = [], None, False
        self.functions = []

    def next(self, step):
        """the fault before is over; the next one of this step"""
        self.over()
        if self.more(step):
            self.armed = self.queues[step].popleft()
            faults.inject(self.armed)

    def more(self, step):
        return bool(self.queues.get(step)) and len(self.hits) < PER_LIFE

    def over(self, refused=False):
        if not self.armed:
            return
        fault = self.armed
        if faults.hits():
            self.functions += self.functions_now()
            self.hits.append(fault)
            self.got_over |= not refused
            self.twice += faults.hits() > 1
            if fault.then == NONE:
                ways.notice(fault, refused)
        elif fault.call > 1:  # not as many calls as in the first life
            self.queues[fault.step].append(fault._replace(call=fault.call // 2))
        else:
            self.missed.append(fault)
        self.armed = None
        faults.inject()

    def hit_now(self):
        return faults.hits() if self.armed else 0

    def hit(self):
        """in this life"""
        return bool(self.hits) or self.hit_now()

    def functions_now(self):
        return [PLACES[p][5] for p in (self.armed.place, self.armed.then)[: self.hit_now()]] if self.armed else []

    def functions_hit(self):
        return self.functions + self.functions_now()

    def left(self):
        return sum(len(q) for q in self.queues.values())


class Ways:
    """what is called once something has failed, where that is not what is called else: to undo, or to do it otherwise"""

    def __init__(self):
        self.usual = set()  # (step, place) of a life without a fault
        self.seen = {}  # (step, place, first or last call) -> the fault after which it was called

    def notice(self, fault, refused):
        for place, n in faults.after().items():
            if refused or (fault.step, place) not in self.usual:
                for call in {1, n}:
                    self.seen.setdefault((fault.step, place, call > 1), fault._replace(then=place, then_call=call))

    def todo(self):
        return [f for f in self.seen.values() if ours(PLACES[f.then][4])]


class Recorder(Plan):
    """of a life without a fault: what was called in which step"""

    def begin(self):
        super().begin()
        self.marks = []

    def next(self, step):
        self.marks.append((step, faults.calls()))

    def steps_of(self):
        """place -> [(step, calls)]"""
        found = {}
        for (step, before), (_, after) in zip(self.marks, self.marks[1:] + [("", faults.calls())]):
            for place, n in after.items():
                if step in STEPS and n > before.get(place, 0):
                    found.setdefault(place, []).append((step, n - before.get(place, 0)))
        return found


def run(*args, shim=False, timeout=120):
    return subprocess.run(args, env=ENV if shim else None, capture_output=True, text=True, timeout=timeout)


def must(*args):
    r = run(*args)
    if r.returncode:
        raise Failure(f"{' '.join(args)}: {r.stderr.strip() or r.stdout.strip()}")
    return r.stdout


def wait_for(seconds, what, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"not within {seconds} s: {what}")
        time.sleep(0.02)


# ---- what is there ----


def processes():
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                name, rest = re.match(r"\d+ \((.*)\) (.)", f.read()).groups()
        except OSError:
            continue
        if name.startswith("wgx") and rest != "Z":
            found[int(pid)] = name
    return found


def left():
    """what a wgx leaves, as text; empty: nothing"""
    out = [f"process {p} {n}" for p, n in processes().items()]
    out += [f"device {d}" for d in os.listdir("/sys/class/net") if d not in ("lo", "eth0")]
    for d in ("/run/wireguard", "/run/wgx", "/sys/fs/bpf/wgx", "/sys/fs/bpf/wgx-strict"):
        for root, _, files in os.walk(d):
            out += [os.path.join(root, f) for f in files if not f.endswith((".lock", ".holder"))]
    return ", ".join(out)


BUSY = "has not answered for"  # where others need the processors


def ask(*args):
    r = run(*args)
    for _ in range(2):
        if r.returncode and (plan.hit() or BUSY in r.stderr):  # it may have been this that failed
            r = run(*args)
    if r.returncode:
        raise Failure(f"{' '.join(args)}: {r.stderr.strip()}")
    return r


def show():
    return json.loads(ask(WGX, "show", "--json").stdout)


def config():
    r = ask("wg", "showconf", "wg0")
    r.stdout = re.sub("(PrivateKey|PresharedKey) = (.*)", lambda m: f"{m[1]} #{zlib.crc32(m[2].encode())}", r.stdout)
    return "\n".join(sorted(l for l in r.stdout.splitlines() if not l.startswith("Endpoint")))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


# ---- steps: each returns a completed process; `state` is what a failure has to leave as it was ----


def start():
    return run(WGX, "wg0", shim=True)


def configure():
    return run("wg", "set", "wg0", "listen-port", "51820", "private-key", f"{DIR}/key", "peer", PEER, "endpoint",
               ENDPOINT, "allowed-ips", f"{PEER_ADDRESS}/32")


def attach():
    return run(WGX, "attach", "eth0", "--strict", "--exempt", "198.51.100.0/24", shim=True)


def detach():
    return run(WGX, "detach", "eth0", shim=True)


def add_peer():
    return run("wg", "set", "wg0", "peer", MORE, "preshared-key", f"{DIR}/psk", "allowed-ips", "10.9.0.0/16,fd09::/64")


def remove_peer():
    return run("wg", "set", "wg0", "peer", MORE, "remove")


def show_it():
    r = run(WGX, "show", "--json", shim=True)
    if r.returncode == 0 and not json.loads(r.stdout)["interfaces"]:
        raise Failure("wgx show says nothing of wg0")
    return r


def attached():
    s = show()
    return [(a["device"], a["mode"], bool(a["strict"])) for a in s["attached"]] + s["awaited"]


LOST = re.compile(f"cannot talk to the wgx daemon|ended without an answer|{BUSY}")


def refused(name, r):
    """whether it may have been"""
    if BUSY in r.stderr:
        return
    if not plan.hit_now() and not plan.got_over:
        raise Failure(f"{name} failed without a fault: {r.stderr.strip()}")
    if not r.stderr.strip():
        raise Failure(f"{name} failed and says nothing")
    if r.returncode < 0:
        raise Failure(f"{name}: signal {-r.returncode}")


def step(name, action, state):
    """state: what a failure has to leave as it was; None: it may have done a part"""
    before, loose = state and state(), False
    plan.next(name)
    while (r := action()).returncode:
        refused(name, r)
        after, hit = state and state(), plan.hit_now()
        loose |= hit > 1 and plan.armed not in strict  # what undoes it has failed as well
        if LOST.search(r.stderr) and not name.startswith("quick"):
            # the answer was lost, or this machine is too busy; what was asked for may be done, and then it cannot be done again
            plan.over()
            wait_for(300, "it answers again", lambda: run(WGX, "show").returncode == 0 or name == "start")
            if (r := action()).returncode and state() == before and BUSY not in r.stderr:
                raise Failure(f"{name} failed again: {r.stderr.strip()}")
            return
        if state is config:
            # as wireguard-go: what came before the refused line stays
            plan.over(refused=True)
            if (r := action()).returncode:
                raise Failure(f"{name} failed again: {r.stderr.strip()}")
            made_up = set(after.split("\n")) - set(state().split("\n")) - set(before.split("\n"))
            if made_up and not loose:
                raise Failure(f"{name} failed and leaves {made_up}")
            return
        if state and after != before and not loose:
            wait_for(10, f"{name} failed ({r.stderr.strip()}) and leaves {after!r} instead of {before!r}",
                     lambda: state() == before or (plan.hit_now() > 1 and plan.armed not in strict))
        plan.over(refused=True)
        if hit and plan.more(name):
            plan.next(name)
            continue
        r = action()
        for _ in range(4):
            if r.returncode and BUSY in r.stderr:
                r = action()
        if r.returncode:
            raise Failure(f"{name} failed again: {r.stderr.strip()}")
        return


def link(up):
    """netlink tells the daemon; where that fails it logs, and the next change of the link is another try"""
    plan.next("up" if up else "down")
    must("ip", "link", "set", "wg0", "up" if up else "down")
    for _ in range(3):
        try:
            return wait_for(5 if plan.hit() else 20, f"wg0 is {'up' if up else 'down'}",
                            lambda: show()["interfaces"][0]["up"] == up)
        except Failure:
            if not plan.hit():
                raise
        must("ip", "link", "set", "wg0", "down" if up else "up")
        time.sleep(0.1)
        must("ip", "link", "set", "wg0", "up" if up else "down")
    raise Failure(f"wg0 does not go {'up' if up else 'down'}")


def ping(name="ping"):
    plan.next(name)
    # where the last timestamp cannot be read, the peer refuses those before it, for a minute
    if run("ping", "-q", "-c", "1", "-w", "90" if plan.hit() else "30", "-i", "0.2", PEER_ADDRESS).returncode:
        raise Failure("no answer through the tunnel: " + must("wg", "show"))


def file_may_stay():
    """that cannot be removed, whoever wants to remove it"""
    return not processes() and {"unlink", "rmdir"} & set(plan.functions_hit())


def end_of(state, before):
    """all is as it was, but for what cannot be removed"""
    try:
        wait_for(20, "all is as before", lambda: state() == before)
    except Failure as e:
        if not file_may_stay():
            raise Failure(f"{e}: {state()!r}, not {before!r}") from None
        clean()
    plan.over()


def no_more_descriptors(pid, baseline):
    """Return: how many there are"""
    # libbpf's bpf_map__reuse_fd() loses one where dup3(2) fails
    allowed = baseline + plan.functions_hit().count("dup3")
    if baseline and descriptors(pid) > allowed:
        wait_for(5, f"{descriptors(pid)} descriptors, not {allowed}: {run('ls', '-l', f'/proc/{pid}/fd').stdout}",
                 lambda: descriptors(pid) <= allowed)
    return descriptors(pid)


def begin_life():
    step("start", start, left)
    step("set", configure, config)
    link(True)
    must("ip", "addr", "replace", "10.7.0.1/24", "dev", "wg0")
    step("attach", attach, attached)
    if not attached():
        raise Failure("attach worked, but nothing is attached")
    ping()


def end_life():
    plan.next("end")
    must("ip", "link", "del", "wg0")
    end_of(left, "")


def life(baseline):
    begin_life()
    pid, before = show()["pid"], config()
    step("add", add_peer, config)
    if MORE not in config():
        raise Failure("the peer is not there")
    step("show", show_it, config)
    step("remove", remove_peer, config)
    if config() != before:
        raise Failure(f"after a peer came and went: {config()}")
    step("detach", detach, attached)
    if attached():
        raise Failure("detach worked, but it is attached")
    link(False)
    if show()["pid"] != pid:
        raise Failure("it is another daemon")
    count = no_more_descriptors(pid, baseline)
    end_life()
    return count


# ---- another process in the daemon's place ----


def restart():
    """where the new process is not ready in time because the machine is busy, the old one ends it: then once more"""
    for _ in range(4):
        r = run(WGX, "restart", shim=True)
        if r.returncode == 0 or plan.hit_now() or "Killed" not in r.stderr:
            break
    if "starting cold" in r.stderr:
        raise Failure(f"it is of the same version, but it starts cold: {r.stderr.strip()}")
    return r


def whole():
    """what has to be handed over"""
    return attached(), config(), [(i["name"], i["up"], [p["name"] for p in i["peers"]]) for i in show()["interfaces"]]


def restart_life(baseline):
    begin_life()
    plan.over()
    must(WGX, "name", "wg0", PEER, "far")
    before = whole()
    for _ in range(RESTARTS):
        pid = show()["pid"]
        step("restart", restart, whole)
        # what could not be attached at once is tried again
        wait_for(20, f"all is as before {before}: {whole()}", lambda: whole() == before)
        if show()["pid"] == pid:
            raise Failure("restart worked, but it is the old daemon")
        ping("")
        if not plan.more("restart"):
            break
    count = no_more_descriptors(show()["pid"], baseline)
    step("detach", detach, attached)
    end_life()
    return count


# ---- the same by `wgx up` and `wgx down` ----


def quick(what):
    """hooks tell by a file that they were run"""
    open(f"{DIR}/hooks", "w").close()
    r = run(WGX, what, f"{DIR}/wg0.conf", shim=True)
    with open(f"{DIR}/hooks") as f:
        done = f.read().split()
    if not r.returncode and done != [f"Pre-{what}", f"Post-{what}"] and not (what == "down" and plan.hit()):
        raise Failure(f"wgx {what} worked, and its hooks are {done}")
    return r


def quick_up():
    return quick("up")


def quick_down():
    r = quick("down")
    if plan.hit_now() and ": PostDown: " in r.stderr:  # as with wg-quick, all else is done, and that is not
        r.returncode = 0
    return r


def world():
    """what `wgx up` changes"""
    out = [left(), run("sysctl", "-n", "net.ipv4.conf.all.src_valid_mark").stdout, run("nft", "-s", "list", "ruleset").stdout]
    for family in ("-4", "-6"):
        out += [run("ip", family, *what).stdout for what in (("rule",), ("route", "show", "table", "all"))]
    return "\n".join(l for text in out for l in text.splitlines() if l and not l.startswith("multicast"))


def write_conf():
    address, _, port = ENDPOINT.partition(":")
    with open(f"{DIR}/key") as key, open(os.open(f"{DIR}/wg0.conf", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write(f"""[Interface]
PrivateKey = {key.read().strip()}
ListenPort = {port}
Address = 10.7.0.1/24, fd07::1/64
Attach = eth0
PreUp = echo Pre-up >>{DIR}/hooks
PostUp = echo Post-up >>{DIR}/hooks
PreDown = echo Pre-down >>{DIR}/hooks
PostDown = echo Post-down >>{DIR}/hooks
[Peer]
Name = far
PublicKey = {PEER}
Endpoint = far.test:{port}
AllowedIPs = 0.0.0.0/0, ::/0
""")


def quick_life(baseline):
    before = world()
    step("quick-up", quick_up, world)
    if not attached() or not show()["interfaces"][0]["up"]:
        raise Failure("wgx up worked, but it is not up")
    ping()
    step("quick-down", quick_down, None)
    plan.next("end")
    end_of(world, before)
    return baseline


# ---- the same by `wgx agent` ----

REGISTRY = f"{DIR}/registry"
AGENT = ["--registry=file", f"--registry-dir={REGISTRY}", "--node=node-a", "--cluster-cidr=10.7.0.0/24",
         "--pod-cidr=10.7.0.1/32", f"--state-dir={DIR}/state", "--grace=1", "--strict", "--underlay=eth0"]
agent = None  # its process


def write_node(name, key, endpoint, network):
    with open(f"{REGISTRY}/.{name}", "w") as f:
        json.dump({"name": name, "public_key": key, "endpoints": [endpoint], "pod_cidrs": [network]}, f)
    os.rename(f"{REGISTRY}/.{name}", f"{REGISTRY}/{name}.json")


def agent_is(peers):
    r = run(WGX, "agent", "status", "--json")
    s = json.loads(r.stdout) if r.returncode == 0 else {}
    return [s.get(k) for k in ("ready", "synced", "published", "peers")] == [True, True, True, peers]


def agent_log():
    with open(f"{DIR}/agent.log") as f:
        return f.read()


def agent_up():
    """until it is ready, or has ended"""
    global agent
    with open(f"{DIR}/agent.log", "w") as log:
        agent = subprocess.Popen([WGX, "agent", *AGENT], env=ENV, stdout=log, stderr=log)
    wait_for(AGENT_SECONDS, "the agent is ready", lambda: agent.poll() is not None or agent_is(1))
    status = agent.returncode
    return subprocess.CompletedProcess("agent", status if status else status is not None, "", agent_log())


def agent_end():
    agent.terminate()
    if agent.wait(AGENT_SECONDS):
        raise Failure(f"the agent ends with {agent.returncode}: {agent_log()}")


def agent_life(baseline):
    before = world()
    must(WGX, "wg9")  # the daemon's own calls fail in the other lives
    for d in (REGISTRY, f"{DIR}/state"):
        shutil.rmtree(d, ignore_errors=True)
        os.mkdir(d, 0o700)
    with open(f"{DIR}/key") as key, open(os.open(f"{DIR}/state/key", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write(key.read())
    write_node("node-b", PEER, ENDPOINT, f"{PEER_ADDRESS}/32")
    step("agent", agent_up, left)
    ping()
    # to a peer that is new a keepalive is sent at first
    wait_for(AGENT_SECONDS, "it has settled", lambda: "PersistentKeepalive" not in config())
    pid, found = show()["pid"], config()
    plan.next("join")
    write_node("node-c", MORE, "198.51.100.9:51820", "10.7.0.3/32")
    wait_for(AGENT_SECONDS, "a node joins", lambda: agent_is(2) and MORE in config())
    step("status", lambda: run(WGX, "agent", "status", shim=True), config)
    step("plan", lambda: run(WGX, "agent", *AGENT[:-2], "plan", shim=True), config)
    plan.next("leave")
    os.remove(f"{REGISTRY}/node-c.json")
    wait_for(AGENT_SECONDS, "a node leaves", lambda: agent_is(1) and config() == found)
    count = no_more_descriptors(agent.pid, baseline)
    plan.next("agent-end")
    agent_end()
    step("again", agent_up, config)
    ping("")
    if config() != found or show()["pid"] != pid:
        raise Failure(f"another agent, and it is not as before: {config()}")
    plan.next("end")
    agent_end()
    plan.over()
    must(WGX, "detach", "eth0")
    must("ip", "link", "del", "wg0")
    must("ip", "link", "del", "wg9")
    no_rules()
    end_of(world, before)
    return count


def no_rules():
    for family in ("-4", "-6"):
        for rule in run("ip", family, "rule").stdout.splitlines():
            if rule.split(":")[0] not in ("0", "32766", "32767"):
                run("ip", family, "rule", "del", "priority", rule.split(":")[0])
        run("ip", family, "route", "flush", "table", "51880")


def clean():
    """after a failure: whatever is there goes, so that the next life is not disturbed"""
    faults.set(0, 0)
    for pid in processes():
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    time.sleep(0.3)
    for d in ("wg0", "wg9", "wgx-rx"):
        run("ip", "link", "del", d)
    run("nft", "flush", "ruleset")
    run("sysctl", "-qw", "net.ipv4.conf.all.src_valid_mark=0")
    no_rules()
    run("sh", "-c", "rm -rf /run/wireguard/* /run/wgx/* /sys/fs/bpf/wgx /sys/fs/bpf/wgx-strict")


def reports():
    text = ""
    for f in sorted(os.listdir(DIR)):
        if f.startswith("asan."):
            with open(os.path.join(DIR, f)) as report:
                text += report.read()
            os.remove(os.path.join(DIR, f))
    return text


def symbol(offset, object_name):
    path = WGX if object_name == os.path.basename(WGX) else f"/lib/x86_64-linux-gnu/{object_name}"
    r = run("addr2line", "-f", "-e", path, hex(offset - 1))
    lines = r.stdout.split("\n")
    return f"{lines[0]} {os.path.basename(lines[1])}" if r.returncode == 0 and lines[0] != "??" else hex(offset)


def inlined(offset):
    """the function of wgx at an address, and those that it is a part of"""
    return run("addr2line", "-fi", "-e", WGX, hex(offset - 1)).stdout.split("\n")[::2]


def attempt(baseline):
    """A life, by the plan. Return: what is wrong, or None"""
    wrong = None
    faults.arm()
    plan.begin()
    try:
        LIFE(baseline)
    except (Failure, OSError, subprocess.TimeoutExpired, json.JSONDecodeError, KeyError, IndexError) as e:
        wrong = str(e) or repr(e)
    plan.over()
    if faults.crashed():
        wrong = f"signal {faults.crashed()}; {wrong}"
    if text := reports():
        wrong = f"{wrong}; {text[:3000]}"
    if wrong:
        clean()
    return wrong


def name_of(fault):
    def where(place):
        _, _, _, offset, object_name, function = PLACES[place]
        return f"{function} in {symbol(offset, object_name)} of {object_name}"

    if fault.then == NONE:
        return f"{fault.place}:{fault.step}:{fault.call} {where(fault.place)}"
    return (f"{fault.place}:{fault.step}:{fault.call}:{fault.then}:{fault.then_call} {where(fault.place)}"
            f" and then {where(fault.then)}")


def blame(suspects, wrong, baseline):
    """which of them it was that did harm, each in a life of its own, the last one first"""
    global plan
    whole, found = plan, False
    for fault in reversed(suspects if len(suspects) > 1 else []):
        plan = Plan([fault])
        if alone := attempt(baseline):
            print(f"# FAULT place {name_of(fault)}: {alone}", flush=True)
            found = True
            break
    plan = whole
    if not found:
        print(f"# FAULT place {'; with '.join(map(name_of, suspects)) or 'none'}: {wrong}", flush=True)


def share_of(place):
    """whether it is for us"""
    mine, _, all_of = os.environ.get("SHARE", "0/1").partition("/")
    return zlib.crc32(repr(PLACES[place][3:]).encode()) % int(all_of) == int(mine)


def ours(object_name):
    return (object_name == os.path.basename(WGX) or ".so" in object_name) and not LEFT_OUT.match(object_name)


def todo_of(steps_of):
    """the faults to inject"""
    if p := os.environ.get("PLACE"):
        place, step_name, *numbers = p.split(":")  # as name_of() has it
        return [Fault(int(place), step_name, *map(int, numbers))]
    todo = []
    for place, steps in steps_of.items():
        _, _, _, _, object_name, function = PLACES[place]
        if LIFE is restart_life:  # the others are in a life without
            steps = [s for s in steps if s[0] == "restart"]
        if not ours(object_name) or os.environ.get("ONLY", function) != function or not share_of(place):
            continue
        calls = [(s, n) for s, count in steps for n in range(1, count + 1)]
        for s, n in sorted({(s, 1) for s, _ in steps} | set(calls[1:2] + calls[-1:])):
            todo.append(Fault(place, s, n))
    return shuffled(todo)


# That did harm once: the step, what failed there (function, and who called it), and what failed then
KEPT = {
    "life": [("start", "inotify_init1", "wgx_uapi_watch_start", "send", "ask_for_far_ends")],
    "quick": [("quick-up", "epoll_ctl", "wgx_uapi_listen", "send", "send_message")],
    "agent": [("agent", "epoll_ctl", "wgx_agent_serve"), ("end", "stat", "wgx_control_path")],
    "restart": [("restart", "mmap", "copy_state"), ("restart", "recv", "read_line"),
                ("restart", "sendmsg", "wgx_socket_send_fds")],
}


def kept():
    """these as faults"""

    def find(function, caller):
        for place, _, _, offset, object_name, name in PLACES.values():
            if name == function and object_name == os.path.basename(WGX) and caller in inlined(offset):
                return place
        raise Failure(f"nothing calls {function} in {caller} any more")

    return [Fault(find(function, caller), step, 1, *((find(*then), 1) if then else ()))
            for step, function, caller, *then in KEPT.get(NAME, [])]


def shuffled(todo):
    random.Random(int(os.environ.get("SEED", "1"))).shuffle(todo)
    return todo


STORMY = {"sendmsg", "sendmmsg", "sendto", "send", "recvmsg", "recvmmsg", "recv", "read", "epoll_wait", "poll", "ppoll"}


def drops():
    s = show()
    return sum(sum(i["drops"].values()) for i in s["interfaces"])


def storms():
    faults.arm()
    begin_life()
    pid, failed, n = show()["pid"], 0, 0
    load = subprocess.Popen(["ping", "-q", "-i", "0.01", "-s", "1200", PEER_ADDRESS], stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    faults.set(0, 0)
    for i, calls, _, offset, object_name, function in list(faults.places()):
        if not calls or function not in STORMY or object_name != os.path.basename(WGX):
            continue
        for error in (errno.ENOBUFS, errno.EAGAIN):
            before = drops()
            faults.arm(i, NONE, error)
            time.sleep(0.3)
            seen = faults.get(3)
            faults.set(0, 0)
            if not seen:
                continue
            n += 1
            try:
                ping()
                if show()["pid"] != pid:
                    raise Failure("it is another daemon")
                print(f"# {function} in {symbol(offset, object_name)}: {seen} times {errno.errorcode[error]}, "
                      f"{drops() - before} packets dropped")
            except Failure as e:
                failed += 1
                print(f"# STORM {function} in {symbol(offset, object_name)}, {errno.errorcode[error]}: {e}", flush=True)
    load.kill()
    load.wait()
    print(f"# {n} storms, {failed} did harm")
    must("ip", "link", "del", "wg0")
    wait_for(20, "nothing is left", lambda: not left())
    return 1 if failed or not n else 0


def go_through(todo, baseline, end):
    """@end: when it is over, but not before something has failed, however busy this machine is; None: when all have.
    Return: what was done, as text; how many faults there were; how often it went wrong"""
    global plan
    plan = Plan(todo)
    failed, hits, lives = 0, 0, 0
    begin = said = time.monotonic()
    while plan.left() and not (hits and end is not None and time.monotonic() > end):
        wrong = attempt(baseline)
        know_places()
        lives += 1
        hits += len(plan.hits)
        if wrong:
            failed += 1
            blame(list(plan.hits), wrong, baseline)
        if time.monotonic() - said > 60:
            said = time.monotonic()
            print(f"# {said - begin:.0f} s: {lives} lives, {hits} faults, {plan.left()} left", flush=True)
    return f"{lives} lives, {hits} faults, {plan.left()} left, {len(plan.missed)} not reached, {failed} went wrong", hits, failed


def main():
    global plan
    if NAME == "storms":
        return storms()
    faults.arm()
    plan = Recorder()
    if LIFE is quick_life:
        write_conf()
    baseline = LIFE(0)
    steps_of = plan.steps_of()
    faults.set(0, 0)
    if left():
        print(f"not ok - a life without a fault: {left()}")
        return 1
    know_places()
    ways.usual = {(s, place) for place, steps in steps_of.items() for s, _ in steps}
    todo = todo_of(steps_of)
    if not {"PLACE", "ONLY"} & set(os.environ) and "-address" not in WGX:  # there functions are parts of others
        strict.update(kept())
        todo = list(strict) + todo
    print(f"# {len(PLACES)} places, {len(todo)} faults to inject, {baseline} descriptors", flush=True)
    seconds = float(os.environ.get("SECONDS_MAX") or 0)
    end = time.monotonic() + seconds if seconds else None
    text, hits, failed = go_through(todo, baseline, end)
    print(f"# {text}", flush=True)
    if not os.environ.get("PLACE") and (end is None or time.monotonic() < end):
        text, _, failed_too = go_through(shuffled(ways.todo()), baseline, end)
        print(f"# two in a step: {text}, {plan.twice} times both", flush=True)
        failed += failed_too
    sites = [p for p in PLACES.values() if ours(p[4])]
    print(f"# faults at {sum(p[2] > 0 for p in sites)} of {len(sites)} places", flush=True)
    if path := os.environ.get("TABLE"):
        with open(path, "w") as f:
            for place, _, n, offset, object_name, function in sites:
                where = "-" if n or not share_of(place) else symbol(offset, object_name)
                print(function, object_name, offset, n, where, file=f)
    return 1 if failed or not hits else 0


def know_places():
    PLACES.update((p[0], p) for p in faults.places())


NAME = "".join(sys.argv[7:8])
LIFE = {"quick": quick_life, "restart": restart_life, "agent": agent_life}.get(NAME, life)
RESTARTS = 6
AGENT_SECONDS = 120  # where something failed, it looks again after 30
PLACES = {}
strict = set()  # of these two, what was done is undone all the same
faults = Faults()
ways = Ways()
plan = Plan()
if __name__ == "__main__":
    sys.exit(main())
