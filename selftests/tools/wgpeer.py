#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""WireGuard's messages in plain Python, from the paper: a second opinion that shares no code with wgx.

flood PUBLIC_KEY DST PORT SECONDS   initiations with a right mac1 and nothing else right; superframes
probe handshakes|data|rate PRIVATE_KEY_FILE PUBLIC_KEY DST PORT INNER_SOURCE INNER_DST
                                    malformed, replayed and forged messages; what is answered to each
watch PRIVATE_KEY_FILE PUBLIC_KEY DST PORT DEV
                                    shake hands, and describe what comes from there on DEV
"""
import base64
import hashlib
import os
import socket
import struct
import sys
import time

SOL_UDP, UDP_SEGMENT = 17, 103
P = 2**255 - 19
INITIATION, RESPONSE, COOKIE, DATA = 1, 2, 3, 4

# ---- X25519 (RFC 7748), ChaCha20-Poly1305 (RFC 8439), BLAKE2s ----


def x25519(k, u):
    n = bytearray(k)
    n[0] &= 248
    n[31] = (n[31] & 127) | 64
    k = int.from_bytes(n, "little")
    x1 = int.from_bytes(u, "little") & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in range(254, -1, -1):
        bit = (k >> t) & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb = d * a % P, c * b % P
        aa, bb = a * a % P, b * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


BASE = bytes([9]) + bytes(31)
MASK = 0xFFFFFFFF


def chacha_block(key, nonce, counter):
    init = list(struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    s = init[:]

    def quarter(a, b, c, d):
        for x, y, z, r in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & MASK
            v = s[z] ^ s[x]
            s[z] = ((v << r) | (v >> (32 - r))) & MASK

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<16I", *((a + b) & MASK for a, b in zip(s, init)))


def chacha(key, nonce, data):
    stream = b"".join(chacha_block(key, nonce, 1 + i) for i in range((len(data) + 63) // 64))
    return bytes(a ^ b for a, b in zip(data, stream))


def tag(key, nonce, aad, data):
    otk = chacha_block(key, nonce, 0)
    r = int.from_bytes(otk[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    pad = lambda x: x + bytes(-len(x) % 16)
    m, acc = pad(aad) + pad(data) + struct.pack("<QQ", len(aad), len(data)), 0
    for i in range(0, len(m), 16):
        acc = (acc + int.from_bytes(m[i:i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((acc + int.from_bytes(otk[16:32], "little")) & (2**128 - 1)).to_bytes(16, "little")


def seal(key, counter, data, aad=b""):
    nonce = struct.pack("<IQ", 0, counter)
    sealed = chacha(key, nonce, data)
    return sealed + tag(key, nonce, aad, sealed)


def unseal(key, counter, data, aad=b""):
    nonce = struct.pack("<IQ", 0, counter)
    return chacha(key, nonce, data[:-16]) if tag(key, nonce, aad, data[:-16]) == data[-16:] else None


def blake(*parts):
    return hashlib.blake2s(b"".join(parts)).digest()


def mac(key, data):
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def hmac(key, data):
    key = key + bytes(64 - len(key))
    inner = blake(bytes(b ^ 0x36 for b in key), data)
    return blake(bytes(b ^ 0x5C for b in key), inner)


def kdf(n, key, data):
    secret, out, last = hmac(key, data), [], b""
    for i in range(n):
        last = hmac(secret, last + bytes([i + 1]))
        out.append(last)
    return out


# ---- the handshake ----


class Peer:
    def __init__(self, private, remote):
        self.private, self.remote = private, remote
        self.public = x25519(private, BASE)
        self.static = x25519(private, remote)
        self.mac1_key = blake(b"mac1----", remote)
        self.index = 0
        self.stamp = 0

    def macs(self, body):
        return body + mac(self.mac1_key, body) + bytes(16)

    def initiation(self, ephemeral=None, stamp=None, static=None, bad_static=False):
        """ephemeral: the public one as it is sent; static: another's public key"""
        if stamp is None:
            stamp = self.stamp = max(self.stamp + 1, time.time_ns())
        self.e = os.urandom(32)
        public = x25519(self.e, BASE) if ephemeral is None else ephemeral
        c = blake(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")
        h = blake(blake(c, b"WireGuard v1 zx2c4 Jason@zx2c4.com"), self.remote)
        c, = kdf(1, c, public)
        h = blake(h, public)
        c, k = kdf(2, c, x25519(self.e, self.remote) if ephemeral is None else bytes(32))
        enc_static = seal(k, 0, static or self.public, h)
        h = blake(h, enc_static)
        c, k = kdf(2, c, self.static)
        tai = struct.pack(">QI", 0x400000000000000A + stamp // 10**9, stamp % 10**9)
        enc_stamp = seal(k, 0, tai, h)
        h = blake(h, enc_stamp)
        self.c, self.h = c, h
        self.index += 1
        return self.macs(struct.pack("<II", INITIATION, self.index) + public + enc_static + enc_stamp)

    def finish(self, response):
        _, sender, receiver = struct.unpack("<III", response[:12])
        assert receiver == self.index
        e = response[12:44]
        c, = kdf(1, self.c, e)
        h = blake(self.h, e)
        c, = kdf(1, c, x25519(self.e, e))
        c, = kdf(1, c, x25519(self.private, e))
        c, t, k = kdf(3, c, bytes(32))
        h = blake(h, t)
        assert unseal(k, 0, response[44:60], h) == b"", "the response does not authenticate"
        self.send_key, self.recv_key = kdf(2, c, b"")
        self.receiver, self.counter, self.session = sender, 0, receiver

    def data(self, plain, counter=None):
        if counter is None:
            counter = self.counter
            self.counter += 1
        return struct.pack("<IIQ", DATA, self.receiver, counter) + seal(self.send_key, counter, plain)

    def open(self, msg):
        _, receiver, counter = struct.unpack("<IIQ", msg[:16])
        return unseal(self.recv_key, counter, msg[16:]) if receiver == self.session else None


# ---- what goes in ----


def checksum(data):
    data += b"\0" * (len(data) % 2)
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def echo(src, dst, n, size=8, total=None, version=4, tos=0):
    """An ICMP echo request, number n; total: what its length field says"""
    icmp = struct.pack("!BBHHH", 8, 0, 0, 0x7767, n) + bytes(size)
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    ip = struct.pack("!BBHHHBBH4s4s", version << 4 | 5, tos, len(icmp) + 20 if total is None else total, 1, 0,
                     64, 1, 0, socket.inet_aton(src), socket.inet_aton(dst))
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + icmp


def pad(packet):
    return packet + bytes(-len(packet) % 16)


class Probe:
    """One target. A fence is a handshake and a ping: when they are answered, so is what went before."""

    def __init__(self, private, remote, dst, port, src, inner):
        self.peer, self.src, self.inner, self.n = Peer(private, remote), src, inner, 0
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.connect((dst, port))
        self.s.settimeout(5)
        self.seen = []

    def send(self, *messages):
        for m in messages:
            try:
                self.s.send(m)
            except ConnectionRefusedError: # for one before
                self.seen.append("refused")
                self.s.send(m)

    def receive(self):
        try:
            return self.s.recv(2048)
        except ConnectionRefusedError:
            return b"refused"

    def note(self, msg):
        """What an answer is called. The target's own initiations and keepalives are none."""
        if msg == b"refused":
            self.seen.append("refused")
            return
        kind = msg[0]
        if kind == DATA:
            plain = self.peer.open(msg)
            if plain == b"":
                return
            self.seen.append("?" if plain is None else f"echo {struct.unpack('!H', plain[2:4])[0] - 20}"
                             f" padded to {len(plain)}" + ("" if not plain[1] else f" tos {plain[1]:#x}"))
        elif kind != INITIATION:
            self.seen.append({RESPONSE: "response", COOKIE: "cookie"}.get(kind, f"type {kind}"))

    def handshake(self):
        """Until one is answered; 20 ms after the last, for more often than that is too often."""
        for _ in range(12):
            time.sleep(0.025)
            self.s.send(self.peer.initiation())
            try:
                while True:
                    msg = self.receive()
                    if msg[0] == RESPONSE and struct.unpack("<I", msg[8:12])[0] == self.peer.index:
                        self.peer.finish(msg)
                        return msg
                    self.note(msg)
            except TimeoutError:
                pass
        sys.exit("no handshake")

    def ping(self):
        self.n += 1
        self.s.send(self.peer.data(pad(echo(self.src, self.inner, self.n, size=33))))
        while True:
            msg = self.receive()
            plain = self.peer.open(msg) if msg[0] == DATA else None
            if plain and plain[20] == 0 and struct.unpack("!H", plain[26:28])[0] == self.n:
                return
            self.note(msg)

    def case(self, name, *messages, later=0):
        """A fence on each side: data needs the session from before, handshakes the one after."""
        time.sleep(0.03) # more than 20 ms since the last initiation
        self.send(*messages)
        self.peer.counter = max(self.peer.counter, later)
        self.ping()
        self.handshake()
        self.ping()
        print(f"{name}: {', '.join(self.seen) or 'nothing'}", flush=True)
        self.seen = []


LOW_ORDER = [bytes(32), bytes([1]) + bytes(31),
             bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
             bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
             (P - 1).to_bytes(32, "little"), P.to_bytes(32, "little"), (P + 1).to_bytes(32, "little")]


def word(n, msg):
    return struct.pack("<I", n) + msg[4:]


def probe_handshakes(p):
    q = p.peer
    stranger = Peer(os.urandom(32), q.remote)
    for kind in (0, 5, 6, 255, 0x101, 0x01000001, 0x80000001):
        p.case(f"P-MSG-1 initiation with type word {kind:#x}", q.macs(word(kind, q.initiation())[:-32]))
    for size in (0, 1, 3, 4, 31, 147, 149, 92, 64, 1000):
        p.case(f"P-MSG-2 initiation of {size} bytes", (q.initiation() + bytes(1000))[:size])
    good = q.initiation()
    p.case("P-HS-1 initiation with a wrong mac1", good[:116] + bytes([good[116] ^ 1]) + good[117:])
    p.case("P-HS-1 initiation with mac1 zero", good[:116] + bytes(32))
    p.case("P-DOS-2 initiation with a mac2 nobody asked for", q.initiation()[:132] + os.urandom(16))
    again = q.initiation()
    p.case("P-HS-3 the same initiation twice", again, again)
    p.case("P-HS-3 an initiation with an older time", q.initiation(stamp=q.stamp - 10**9))
    p.case("P-HS-3 an initiation with the same time", q.initiation(stamp=q.stamp))
    for n, point in enumerate(LOW_ORDER):
        p.case(f"P-HS-2 initiation with low-order ephemeral {n}", q.initiation(ephemeral=point))
    p.case("P-HS-6 initiation of a stranger", stranger.initiation())
    p.case("P-HS-6 P-HS-8 initiation in the target's own name", stranger.initiation(static=q.remote))
    p.case("P-HS-6 initiation of a stranger in our name", stranger.initiation(static=q.public))
    old = p.handshake()
    p.ping()
    mac1 = Peer(os.urandom(32), q.remote).macs
    p.case("P-HS-6 P-DOS-4 the target's own response", old)
    p.case("P-HS-6 P-DOS-4 response with a right mac1", mac1(struct.pack("<III", RESPONSE, 7, 7) + os.urandom(48)))
    p.case("P-MSG-2 P-DOS-4 response of 91 bytes", os.urandom(0) + word(RESPONSE, os.urandom(91)))
    p.case("P-DOS-4 cookie reply from nowhere", word(COOKIE, os.urandom(64)))
    p.case("P-MSG-2 P-DOS-4 cookie reply of 63 bytes", word(COOKIE, os.urandom(63)))


def probe_data(p):
    q = p.peer
    ok = lambda n=1, **a: pad(echo(p.src, p.inner, n, **a))
    p.case("P-DT-3 ping", q.data(ok()))
    same = q.data(ok())
    p.case("P-DT-2 the same data twice", same, same)
    p.case("P-DT-1 data with a wrong tag", same[:-1] + bytes([same[-1] ^ 1]))
    p.case("P-DT-1 data for another index", same[:4] + struct.pack("<I", q.receiver ^ 1) + same[8:])
    p.case("P-MSG-1 data with reserved bytes", word(0x10004, q.data(ok())))
    for size in (4, 16, 31):
        p.case(f"P-MSG-2 data of {size} bytes", q.data(ok())[:size])
    p.case("P-DT-2 a counter ahead, then those behind it", q.data(ok(), 9000), q.data(ok(), 9000 - 8127),
           q.data(ok(), 9000 - 8128 - 64), q.data(ok(), 8999), q.data(ok(), 8999), later=9001)
    p.case("P-TM-5 keepalive", q.data(b""))
    p.case("P-DT-3 unpadded", q.data(echo(p.src, p.inner, 1, size=3)))
    p.case("P-DT-3 with 100 bytes behind it", q.data(ok() + os.urandom(100)))
    p.case("P-DT-3 16 zero bytes", q.data(bytes(16)))
    p.case("P-DT-3 one byte", q.data(b"E"))
    p.case("P-DT-3 another's source", q.data(pad(echo("10.9.0.77", p.inner, 1))))
    p.case("P-DT-3 a source in no allowed IP", q.data(pad(echo("192.0.2.1", p.inner, 1))))
    p.case("P-DT-3 version 5", q.data(ok(version=5)))
    p.case("P-DT-3 version 6 with an IPv4 header", q.data(ok(version=6)))
    p.case("P-DT-3 longer than it is", q.data(ok(total=1000)))
    p.case("P-DT-3 shorter than its header", q.data(ok(total=19)))
    for tos in (1, 2, 3, 0xB8):
        p.case(f"P-DT-7 with TOS {tos:#x}", q.data(ok(tos=tos)))
    for size in (0, 1, 8, 100, 1391, 1392):
        p.case(f"P-DT-5 ping with {size} bytes", q.data(ok(size=size)))
    first = q.data(ok())
    p.handshake()
    p.send(first)
    p.note(p.receive())
    p.case("P-HS-7 data of the session before, when the new one is not confirmed")


def rate(p):
    """More than answers can be given to within 20 ms: some are, some are not."""
    made = [p.peer.initiation() for _ in range(40)]
    time.sleep(0.05)
    p.send(*made)
    p.handshake()
    p.ping()
    n = p.seen.count("response")
    print(f"P-HS-4 40 initiations at once: {'some' if 0 < n < 40 else n} answered")
    p.seen = []


def probe(what, private_file, public, dst, port, src, inner):
    with open(private_file) as f:
        private = base64.b64decode(f.read())
    p = Probe(private, base64.b64decode(public), dst, int(port), src, inner)
    p.handshake()
    p.ping()
    {"handshakes": probe_handshakes, "data": probe_data, "rate": rate}[what](p)


# ---- what comes out ----


def describe(plain):
    """An inner packet in a word; all behind its own length must be zero."""
    if not plain:
        return "keepalive"
    v6 = plain[0] >> 4 == 6
    size = 40 + struct.unpack("!H", plain[4:6])[0] if v6 else struct.unpack("!H", plain[2:4])[0]
    zero = "zeros" if not any(plain[size:]) else "NOT ZERO"
    return f"inner v{6 if v6 else 4} {size} padded to {len(plain)} with {zero}"


def watch(private_file, public, dst, port, dev):
    """Print the outer header and the inner length of what DST sends, until a packet to inner port 9999."""
    with open(private_file) as f:
        peer = Peer(base64.b64decode(f.read()), base64.b64decode(public))
    v6 = ":" in dst
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((dst, int(port)))
    s.settimeout(5)
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86DD if v6 else 0x0800))
    raw.bind((dev, 0x86DD if v6 else 0x0800))
    raw.settimeout(20)
    here, there = (socket.inet_pton(s.family, a[0]) for a in (s.getsockname(), s.getpeername()))
    s.send(peer.initiation())
    peer.finish(s.recv(2048))
    s.send(peer.data(b""))
    print("ready", flush=True)
    while True:
        packet, (_, _, kind, *_) = raw.recvfrom(65535)
        if kind == 4: # PACKET_OUTGOING
            continue
        src, at = (packet[8:24], 40) if v6 else (packet[12:16], 20)
        proto = packet[6] if v6 else packet[9]
        if src != there or proto not in (17, 44):
            continue
        if v6:
            word0 = struct.unpack("!I", packet[:4])[0]
            head = f"tos {word0 >> 20 & 255:#04x} label {'none' if not word0 & 0xFFFFF else 'set'} hops {packet[7]}"
            head += f" length {40 + struct.unpack('!H', packet[4:6])[0]}"
            fragment = struct.unpack("!H", packet[42:44])[0] if proto == 44 else 0
            offset, more, at = fragment & ~7, fragment & 1, at + 8 * (proto == 44)
        else:
            bits = struct.unpack("!H", packet[6:8])[0]
            head = f"tos {packet[1]:#04x} {'DF' if bits & 0x4000 else 'no DF'} ttl {packet[8]}"
            head += f" length {struct.unpack('!H', packet[2:4])[0]} id {'zero' if packet[4:6] == bytes(2) else 'set'}"
            offset, more = (bits & 0x1FFF) * 8, bits >> 13 & 1
        if offset or more:
            print(f"{head}, fragment from {offset}{', more follow' if more else ''}", flush=True)
            continue
        check = struct.unpack("!H", packet[at + 6:at + 8])[0]
        msg = packet[at + 8:at + struct.unpack("!H", packet[at + 4:at + 6])[0]]
        plain = peer.open(msg) if msg[0] == DATA else None
        what = f"type {msg[0]}" if plain is None else describe(plain)
        if plain and plain[0] >> 4 == 4 and plain[9] == 17 and plain[22:24] == struct.pack("!H", 9999):
            return
        print(f"{head}, UDP checksum {'set' if check else 'none'}, {what}", flush=True)


def flood(public, dst, port, seconds):
    """Superframes of 60 initiations each; they differ in their sender's index."""
    peer = Peer(os.urandom(32), base64.b64decode(public))
    batch = [b"".join(peer.macs(struct.pack("<II", INITIATION, 60 * b + i) + os.urandom(108)) for i in range(60))
             for b in range(32)]
    s = socket.socket(socket.AF_INET6 if ":" in dst else socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((dst, int(port)))
    end, sent = time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        try:
            s.sendmsg([batch[sent // 60 % 32]], [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", 148))])
        except OSError: # full, or refused before
            time.sleep(0.001)
        sent += 60
    print(sent)


COMMANDS = {"probe": probe, "watch": watch, "flood": flood}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    COMMANDS[sys.argv[1]](*sys.argv[2:])
