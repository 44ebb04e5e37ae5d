#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A client of the configuration protocol, for /run/wireguard/wg0.sock of the host it runs on.

answers          each request of ANSWERS from a clean state: a line "NAME<TAB>answer"
refusals [keep]  each of REFUSALS: a line "NAME<TAB>errno"; with keep also whether the configuration is
                 the same afterwards, byte for byte, and the connection still good
ask REQUEST      one request, \\n as in C; prints the answer
hold N           N connections with half a request each, then prints "held" and waits for a signal
crowd N SECONDS  N processes that set and get for that long; prints how often, or what was wrong
abuse            clients that are cut off, slow, endless or deaf; a line "NAME<TAB>what came"

What `answers` and `refusals` print is compared between implementations. Made equal before, since nothing
says how it should be: the order of peers. Left out, since the other implementation at hand (wireguard-go
0.0.20220316) has it otherwise: see ONLY_HERE, and
- what is configured after a request was refused: there, all the lines before the one that is wrong;
- the scope of an endpoint, which it does not print; "allowed_ip=-", which it does not know yet;
- the sign of a failed get's errno: there it is that of a set, and `wg` reads only a positive one;
- listen_port=0 and a listen port never set: there it has sockets before the link is up;
- ::a.b.c.d, which inet_ntop() and Go write differently.
"""
import multiprocessing
import random
import re
import signal
import socket
import sys
import time

SOCKET = "/run/wireguard/wg0.sock"
PRIVATE = "e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a"
KEY1 = "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33"
KEY2 = "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376"
KEY3 = "662e14fd594556f522604703340351258903b64f35553763f19426ab2a515c58"
PSK = "188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52"
# a private key and the public key that belongs to it
OWN = "0000000000000000000000000000000000000000000000000000000000000040"
OWN_PUBLIC = "2fe57da347cd62431528daac5fbb290730fff684afc4cfc2ed90995f58cb3b74"
ZERO = "0" * 64

CLEAN = f"private_key={ZERO}\nlisten_port=51820\nfwmark=0\nreplace_peers=true\n"
EXAMPLE = (f"private_key={PRIVATE}\nlisten_port=12912\nfwmark=7\nreplace_peers=true\n"
           f"public_key={KEY1}\npreshared_key={PSK}\nreplace_allowed_ips=true\n"
           f"allowed_ip=192.168.4.4/32\nendpoint=[abcd:23::33]:51820\n"
           f"public_key={KEY2}\nendpoint=182.122.22.19:3233\n"
           f"persistent_keepalive_interval=111\nreplace_allowed_ips=true\n"
           f"allowed_ip=192.168.4.6/32\nallowed_ip=192.168.4.7/16\nallowed_ip=::/0\n"
           f"public_key={KEY3}\nprotocol_version=1\n")
P1, P2, P3 = (f"public_key={k}\n" for k in (KEY1, KEY2, KEY3))

# name, then requests; "set=1" and the blank line are added. The last answer and a get are printed.
ANSWERS = [
    ("P-UA-1 nothing is configured", ""),
    ("P-UA-1 P-UA-2 the example of the protocol's page", EXAMPLE),
    ("P-UA-2 the example again", EXAMPLE, EXAMPLE),
    ("P-UA-2 private_key in capitals", f"private_key={PRIVATE.upper()}\n"),
    ("P-UA-2 private_key is clamped", f"private_key={'f' * 64}\n"),
    ("P-UA-2 private_key zero removes it", EXAMPLE, f"private_key={ZERO}\n"),
    ("P-UA-2 private_key twice", f"private_key={PRIVATE}\nprivate_key={OWN}\n"),
    ("P-UA-2 P-HS-8 our own public key as a peer", f"private_key={OWN}\npublic_key={OWN_PUBLIC}\n"
     f"allowed_ip=10.0.0.0/8\n{P1}allowed_ip=10.1.0.0/16\n"),
    ("P-UA-2 P-HS-8 a peer's key becomes our own",
     f"private_key={PRIVATE}\npublic_key={OWN_PUBLIC}\nallowed_ip=10.0.0.0/8\n{P1}", f"private_key={OWN}\n"),
    ("P-UA-2 listen_port", "listen_port=1\n"),
    ("P-UA-2 listen_port 65535", "listen_port=65535\n"),
    ("P-UA-2 listen_port with zeros before it", "listen_port=00007\n"),
    ("P-UA-2 listen_port twice", "listen_port=1\nlisten_port=2\n"),
    ("P-UA-2 fwmark", "fwmark=4294967295\n"),
    ("P-UA-2 fwmark 0 removes it", "fwmark=7\n", "fwmark=0\n"),
    ("P-UA-2 replace_peers", EXAMPLE, f"replace_peers=true\n{P2}"),
    ("P-UA-2 replace_peers at last", EXAMPLE, "fwmark=9\nreplace_peers=true\n"),
    ("P-UA-2 public_key alone", P1),
    ("P-UA-2 public_key in capitals", f"public_key={KEY1.upper()}\n"),
    ("P-UA-2 public_key twice",
     f"{P1}allowed_ip=10.1.0.0/16\n{P2}allowed_ip=10.2.0.0/16\n{P1}allowed_ip=10.3.0.0/16\n"),
    ("P-UA-2 remove", EXAMPLE, f"{P2}remove=true\n"),
    ("P-UA-2 remove what is not there", EXAMPLE, f"public_key={OWN_PUBLIC}\nremove=true\n"),
    ("P-UA-2 remove, with more to say of it", EXAMPLE, f"{P1}remove=true\nallowed_ip=192.168.4.6/32\n"),
    ("P-UA-2 remove and make anew", EXAMPLE, f"{P1}remove=true\n{P1}allowed_ip=10.0.0.0/8\n"),
    ("P-UA-2 remove twice", EXAMPLE, f"{P1}remove=true\n{P1}remove=true\n"),
    ("P-UA-2 update_only", EXAMPLE, f"{P1}update_only=true\nendpoint=1.2.3.4:5\n"),
    ("P-UA-2 update_only makes no peer", EXAMPLE,
     f"public_key={OWN_PUBLIC}\nupdate_only=true\nallowed_ip=192.168.4.4/32\nendpoint=1.2.3.4:5\n"),
    ("P-UA-2 update_only, and then not", f"{P1}update_only=true\n{P1}allowed_ip=10.0.0.0/8\n"),
    ("P-UA-2 preshared_key", f"{P1}preshared_key={PSK}\n"),
    ("P-UA-2 preshared_key zero removes it", EXAMPLE, f"{P1}preshared_key={ZERO}\n"),
    ("P-UA-2 endpoint, IPv4", f"{P1}endpoint=1.2.3.4:5\n"),
    ("P-UA-2 endpoint, IPv6", f"{P1}endpoint=[2001:db8:0:0::1]:65535\n"),
    ("P-UA-2 endpoint, port 0", f"{P1}endpoint=1.2.3.4:0\n"),
    ("P-UA-2 endpoint, zeros before the port", f"{P1}endpoint=1.2.3.4:00080\n"),
    ("P-UA-2 endpoint twice", f"{P1}endpoint=1.2.3.4:5\nendpoint=[::1]:6\n"),
    ("P-UA-2 persistent_keepalive_interval", f"{P1}persistent_keepalive_interval=25\n"),
    ("P-UA-2 persistent_keepalive_interval 65535", f"{P1}persistent_keepalive_interval=65535\n"),
    ("P-UA-2 persistent_keepalive_interval 0", EXAMPLE, f"{P2}persistent_keepalive_interval=0\n"),
    ("P-UA-2 protocol_version", f"{P1}protocol_version=1\nallowed_ip=10.0.0.0/8\n"),
    ("P-UA-2 allowed_ip loses its host bits", f"{P1}allowed_ip=10.255.255.255/9\nallowed_ip=ff::ff/9\n"),
    ("P-UA-2 allowed_ip of every length, IPv4",
     P1 + "".join(f"allowed_ip=171.171.171.171/{i}\n" for i in range(33))),
    ("P-UA-2 allowed_ip of every length, IPv6",
     P1 + "".join(f"allowed_ip=abab:abab:abab:abab:abab:abab:abab:abab/{i}\n" for i in range(129))),
    ("P-UA-2 allowed_ip in every notation of IPv6",
     P1 + "allowed_ip=1:0:0:2::3/128\nallowed_ip=::FFFF:1.2.3.4/128\nallowed_ip=1::/128\n"
     "allowed_ip=1:2:3:4:5:6:7:8/127\nallowed_ip=0:0:1::1/128\nallowed_ip=1:0:3:4:5:6:7:8/128\n"),
    ("P-UA-2 allowed_ip twice", f"{P1}allowed_ip=10.0.0.0/8\nallowed_ip=11.0.0.0/8\nallowed_ip=10.1.2.3/8\n"),
    ("P-UA-5 an allowed IP moves to who claims it last", f"{P1}allowed_ip=10.0.0.0/8\nallowed_ip=::/0\n"
     f"{P2}allowed_ip=10.0.0.0/8\nallowed_ip=11.0.0.0/8\n{P3}allowed_ip=::/0\n"),
    ("P-UA-5 and back", EXAMPLE, f"{P1}allowed_ip=::/0\n", f"{P2}allowed_ip=::/0\n"),
    ("P-UA-5 it goes with its last owner", EXAMPLE, f"{P1}allowed_ip=::/0\n", f"{P1}remove=true\n"),
    ("P-UA-2 replace_allowed_ips", EXAMPLE, f"{P2}replace_allowed_ips=true\nallowed_ip=10.0.0.0/8\n"),
    ("P-UA-2 replace_allowed_ips, all of them again", EXAMPLE,
     f"{P2}replace_allowed_ips=true\nallowed_ip=192.168.4.6/32\nallowed_ip=192.168.0.0/16\nallowed_ip=::/0\n"),
    ("P-UA-2 replace_allowed_ips by none", EXAMPLE, f"{P2}replace_allowed_ips=true\n"),
    ("P-UA-2 replace_allowed_ips after others", EXAMPLE,
     f"{P2}allowed_ip=10.0.0.0/8\nreplace_allowed_ips=true\nallowed_ip=11.0.0.0/8\n"),
    ("P-UA-5 two peers swap an allowed IP", EXAMPLE,
     f"{P1}replace_allowed_ips=true\nallowed_ip=192.168.4.6/32\n"
     f"{P2}replace_allowed_ips=true\nallowed_ip=192.168.4.4/32\n"),
]

NUMBERS = ["", "65536", "-1", "+1", " 1", "1 ", "1x", "0x10", "1_0", "1e3", "1.0", "18446744073709551617", "on"]
KEYS = ["", "0" + PRIVATE, PRIVATE + "00", PRIVATE[:-2], PRIVATE[:-1], "g" + PRIVATE[1:], PRIVATE[:-1] + " ",
        PRIVATE[:32], "0x" + PRIVATE[2:], "6EtabScXwQA6E7QxVwNT26ypFGzxUMX4V1aA/rpSAno="]
BOOLEANS = ["", "false", "True", "1", "truee", "true ", "yes"]
ENDPOINTS = ["", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:http", ":80", "1.2.3:80",
             "1.2.3.4.5:80", "1.2.3.256:80", "localhost:80", "[::1]", "[::1]:", "[::1]:65536", "[::1:80", "::1]:80",
             "[:::1]:80", "[1:2:3:4:5:6:7:8:9]:80", "[1.2.3.4]x:80", "[]:80", "1.2.3.4 :80", "(none)", "010.1.2.3:8"]
PREFIXES = ["", "-", "--10.0.0.0/8", "+10.0.0.0/8", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
            "10.0.0.0/8/8", "10.0.0.0/8 ", "10.0.0/8", "10.0.0.0.0/8", "10.0.0.256/8", "/8",
            "10.0.0.0/255.0.0.0", "10.0.0.0/8,11.0.0.0/8", "::/129", "::", "fe80::1%lo/64", ":::/64", "1:2/32",
            "12345::/16", "g::/16", "any", "0/0"]
# a line that is wrong; "P|" stands for that of a peer
WRONG = ([f"private_key={v}" for v in KEYS] + [f"listen_port={v}" for v in NUMBERS] +
         [f"fwmark={v}" for v in NUMBERS if v != "65536"] + ["fwmark=4294967296"] +
         [f"replace_peers={v}" for v in BOOLEANS] + [f"public_key={v}" for v in KEYS] +
         [f"P|preshared_key={v}" for v in KEYS] + [f"P|remove={v}" for v in BOOLEANS] +
         [f"P|update_only={v}" for v in BOOLEANS] + [f"P|replace_allowed_ips={v}" for v in BOOLEANS] +
         [f"P|endpoint={v}" for v in ENDPOINTS] + [f"P|persistent_keepalive_interval={v}" for v in NUMBERS] +
         [f"P|allowed_ip={v}" for v in PREFIXES] + [f"P|protocol_version={v}" for v in ("", "0", "2", "1x")] +
         ["unknown=1", "=1", "=", "listen_port", "nonsense", "listen_port 1", "listen_port: 1", "listen_port=1=2",
          "listen_port =1", " listen_port=1", "Listen_port=1", "LISTEN_PORT=1", "listen_port\t=1", "get=1", "set=1",
          "errno=0", "allowed_ip=10.0.0.0/8", "remove=true", "endpoint=1.2.3.4:5", "persistent_keepalive_interval=1",
          f"preshared_key={PSK}", "update_only=true", "replace_allowed_ips=true", "protocol_version=1",
          "public_keyy=" + KEY1, "P|listen_port=1", "P|fwmark=1", f"P|private_key={PRIVATE}", "P|replace_peers=true",
          "P|rx_bytes=1", "P|tx_bytes=1", "P|last_handshake_time_sec=1", "P|unknown=1", "P|nonsense",
          "listen_port=1\0", "\0", "P|endpoint=1.2.3.4:5\0", "P|allowed_ip=1.2.3.4\0/8", "listen_port=\xff"])
# the other implementation takes these, or says another number
ONLY_HERE = ["P|allowed_ip=10.0.0.0/+8", "listen_port=1\r", "P|allowed_ip=10.0.0.0/08", "P|endpoint=[::1%]:80", "P|protocol_version=01",
             "listen_port=" + "1" * 100000, "P|allowed_ip=" + "1" * 70000]


class Gone(Exception):
    """The other side has closed."""


class Client:
    def __init__(self, timeout=30):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(timeout)
        end = time.monotonic() + timeout
        while True:
            try:
                self.s.connect(SOCKET)
                break
            except BlockingIOError:  # as many wait to be accepted as may; a busy machine
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)
        self.left = b""

    def send(self, text):
        self.s.sendall(text.encode("latin-1") if isinstance(text, str) else text)

    def answer(self):
        """One answer, with its errno and its blank line."""
        while True:
            m = re.search(rb"(^|\n)errno=-?\d+\n\n", self.left)
            if m:
                whole, self.left = self.left[:m.end()], self.left[m.end():]
                return whole.decode()
            more = self.s.recv(1 << 20)
            if not more:
                raise Gone(self.left.decode())
            self.left += more

    def ask(self, text):
        self.send(text)
        return self.answer()


def ask(text):
    c = Client()
    a = c.ask(text)
    c.s.close()
    return a


def set_lines(lines):
    return ask(f"set=1\n{lines}\n")


def by_key(answer):
    """The answer to a get, peers in the order of their keys."""
    device, *peers = answer[:answer.rindex("errno=")].split("public_key=")
    return device + "".join("public_key=" + p for p in sorted(peers)) + answer[answer.rindex("errno="):]


def shown(text):
    """On one line."""
    return repr(text)[1:-1]


def answers():
    for name, *requests in ANSWERS:
        set_lines(CLEAN)
        last = [set_lines(r) for r in requests][-1]
        print(f"{name}\t{shown(last + by_key(ask('get=1' + chr(10) * 2)))}")
    set_lines(CLEAN)
    c = Client()
    print("P-UA-1 several operations on one connection\t" +
          shown("|".join(c.ask(r) for r in ("set=1\nfwmark=5\n\n", "get=1\n\n", "set=1\n\n", "get=1\n\n"))))
    for wrong in ("\n", "get=2\n\n", "set=2\n\n", "GET=1\n\n", "get\n\n", "listen_port=1\n\n", "get=1 \n\n"):
        c = Client()
        try:
            got = c.ask(wrong)
        except (Gone, ConnectionError):
            got = "closed"
        print(f"P-UA-1 {shown(wrong)} is no operation\t{shown(got)}")


def refusal(line, keep):
    lead, rest = (P3, line[2:]) if line.startswith("P|") else ("", line)
    # around it what must not be applied: everything else
    before = f"private_key={OWN}\nlisten_port=1\nfwmark=1\nreplace_peers=true\n" if keep else ""
    after = f"\n{P1}remove=true\n{P2}allowed_ip=192.168.4.4/32\n" if keep else "\n"
    if "\n" in lead and keep:
        lead += "allowed_ip=10.66.0.0/16\n"
    was = ask("get=1\n\n")
    c = Client()
    got = c.ask(f"set=1\n{before}{lead}{rest}{after}\n")
    errno = int(re.fullmatch(r"errno=(-?\d+)\n\n", got).group(1))
    if not keep:
        return str(errno)
    if c.ask("get=1\n\n") != was or ask("get=1\n\n") != was:
        return f"{errno}, and the configuration is not what it was"
    return str(errno)


def refusals(keep):
    for line in WRONG + (ONLY_HERE if keep else []):
        set_lines(CLEAN + EXAMPLE)
        name = shown(line if len(line) < 100 else line[:20] + f"… of {len(line)}").replace("P|", "")
        print(f"P-UA-4 {name} is refused\t{refusal(line, keep)}")


def hold(n):
    clients = [Client() for _ in range(n)]
    for i, c in enumerate(clients):
        try:
            c.send(("", "set=1\nfwmark=99\n", "get=1\n", f"set=1\n{P1}allowed_ip=1.2.")[i % 4])
        except OSError:  # closed already, to make room for another
            pass
    print("held", flush=True)
    signal.pause()


def crowd_member(i, until, results):
    try:
        c, n = Client(60), 0
        key = f"{i:064x}"
        while time.monotonic() < until or n < 3:
            if n % 5 == 4:
                c = Client(60)
            a = c.ask(f"set=1\npublic_key={key}\nreplace_allowed_ips=true\n"
                      f"allowed_ip=10.{i}.{n % 256}.0/24\nallowed_ip=10.{i}.{n % 256}.0/32\n\n")
            assert a == "errno=0\n\n", a
            a = c.ask("get=1\n\n")
            mine = [p for p in a.split("public_key=") if p.startswith(key)]
            assert len(mine) == 1, f"{len(mine)} peers of mine in {a}"
            ips = re.findall(r"allowed_ip=(.*)", mine[0])
            assert ips == [f"10.{i}.{n % 256}.0/24", f"10.{i}.{n % 256}.0/32"], ips
            # another's is there whole, or not yet at all
            for other in a.split("public_key=")[1:]:
                assert len(re.findall("allowed_ip=", other)) == 2, other
            assert a.endswith("errno=0\n\n"), a
            n += 1
        results.put(n)
    except Exception as e:  # pylint: disable=broad-except
        results.put(f"client {i}: {e!r}")


def crowd(n, seconds):
    set_lines(CLEAN)
    results, until = multiprocessing.Queue(), time.monotonic() + seconds
    members = [multiprocessing.Process(target=crowd_member, args=(i + 1, until, results)) for i in range(n)]
    for m in members:
        m.start()
    got = [results.get() for _ in members]
    for m in members:
        m.join()
    for text in got:
        if isinstance(text, str):
            print(text)
            sys.exit(1)
    print(f"{sum(got)} rounds of {n} clients")


def same(was):
    now = ask("get=1\n\n")
    return "untouched" if now == was else f"changed: {now}"


def abuse():
    def result(name, what):
        print(f"{name}\t{what}" if name.startswith("P-") else f"P-UA-4 {name}\t{what}", flush=True)

    set_lines(CLEAN + EXAMPLE)
    was = ask("get=1\n\n")

    c = Client()
    c.send("set=1\nfwmark=5\n\nget=1\n\nset=1\nfwmark=x\n\nset=1\nfwmark=7\n\nget=1\n\nget=1\nx\n\n")
    got = [c.answer() for _ in range(6)]
    result("P-UA-1 several operations sent at once", "in order" if got == [
        "errno=0\n\n", was.replace("fwmark=7", "fwmark=5"), "errno=-22\n\n", "errno=0\n\n", was, "errno=22\n\n"]
        else shown("|".join(got)))

    request = f"set=1\n{CLEAN}{P3}allowed_ip=10.0.0.0/8\n"
    for end in ("shutdown", "close", "reset"):
        for cut in list(range(0, len(request), 17)) + [len(request)]:
            c = Client()
            c.send(request[:cut])
            if end == "shutdown":
                c.s.shutdown(socket.SHUT_WR)
                assert c.s.recv(100) == b"", "an answer to half a request"
            elif end == "reset":
                c.s.shutdown(socket.SHUT_RD)
            c.s.close()
        result(f"a request cut off, by {end}", same(was))

    c = Client()
    c.send("set=1\nfwmark=")
    for _ in range(10):
        c.send("9" * (1 << 20))
    c.send("\n\n")
    result("10 MB without a newline", c.answer().strip() + ", " + same(was))

    c = Client()
    try:
        c.send("9" * (1 << 20))
        c.answer()
        result("1 MB that is no operation", "an answer")
    except (Gone, ConnectionError):
        result("1 MB that is no operation", "closed, " + same(was))

    lines = "".join(f"public_key={i:064x}\nallowed_ip=10.{i >> 8}.{i & 255}.0/24\n" for i in range(1, 5000))
    result("an error in the last line of a large request",
           set_lines(CLEAN + lines + "allowed_ip=10.0.0.0/33\n").strip() + ", " + same(was))
    result("a key twice, the second one wrong",
           set_lines(f"{P1}remove=true\n{P1}endpoint=1.2.3.4\n").strip() + ", " + same(was))

    c = Client()
    for byte in f"set=1\n{P1}endpoint=[abcd:23::33]:51820\n\nget=1\n\n":
        c.send(byte)
    result("a byte at a time", c.answer().strip() + ", " + ("the same" if c.answer() == was else "another get"))

    deaf = [Client() for _ in range(8)]
    for c in deaf:
        c.s.setblocking(False)
        try:
            while True:
                c.send("get=1\n\n" * 1000)
        except BlockingIOError:
            pass
    result("clients that ask and never read", same(was))
    for c in deaf:
        c.s.close()

    random.seed(1)
    text = f"set=1\n{EXAMPLE}\n".encode()
    for _ in range(300):
        damaged = bytearray(text)
        for _ in range(random.randint(1, 3)):
            damaged[random.randrange(6, len(text) - 2)] = random.randrange(256)
        c = Client(10)
        c.send(bytes(damaged) + b"\n\n")
        c.s.shutdown(socket.SHUT_WR)
        try:
            while c.s.recv(65536):
                pass
        except ConnectionError:
            pass  # what came after an operation was none
    set_lines(CLEAN + EXAMPLE)
    result("after random damage it answers", same(was))


def main():
    what, *args = sys.argv[1:]
    if what == "answers":
        answers()
    elif what == "refusals":
        refusals("keep" in args)
    elif what == "ask":
        sys.stdout.write(ask(args[0].encode().decode("unicode_escape")))
    elif what == "hold":
        hold(int(args[0]))
    elif what == "crowd":
        crowd(int(args[0]), float(args[1]))
    elif what == "abuse":
        abuse()
    else:
        sys.exit(__doc__)


main()
