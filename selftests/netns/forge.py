#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Frames and datagrams that no honest program sends. Each command prints how many it sent.

frames IFACE KIND COUNT    write frames of one kind onto IFACE past its qdisc and tcx programs
flood DST PORT COUNT       UDP superframes of forged messages of all types, to DST PORT
single DST PORT KIND COUNT forged messages of one kind, a datagram each
again DST PORT PCAP        the UDP payloads of a capture (Ethernet, IPv4) once more, a datagram each
relay PORT DST DSTPORT     forward UDP to DST; wraps each datagram in a superframe of forgeries
sniff IFACE PORT FILE      the first data message that leaves by IFACE to PORT, into FILE
copies FILE DST PORT KIND COUNT
                           superframes of that message, changed: replay, tag, index, short, type
raw-send DST PROTO COUNT   IP packets of a protocol this kernel may not know, random payloads
raw-recv V PROTO COUNT     receive COUNT of those over IPvV; raw-* print a digest of all payloads
"""
import hashlib
import os
import random
import select
import socket
import struct
import sys

SOL_PACKET, PACKET_VNET_HDR, PACKET_QDISC_BYPASS = 263, 15, 20
ETH_P_ALL, PACKET_OUTGOING = 3, 4
SOL_UDP, UDP_SEGMENT = 17, 103
SO_RCVBUFFORCE = 33
STAMP_MAGIC, STAMP_PARTIAL, STAMP_NO_PEER, STAMP_INGRESS = 0x7866, 1, 2, 4
SRC, DST = "10.7.0.1", "10.7.0.2"


def checksum(data):
    data += b"\0" * (len(data) % 2)
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def ipv4(proto, payload, src=SRC, dst=DST, length=None):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length or 20 + len(payload), random.getrandbits(16), 0,
                       64, proto, 0, socket.inet_aton(src), socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp(payload, src=SRC, dst=DST):
    head = struct.pack("!HHHH", 9, 9, 8 + len(payload), 0)
    pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!BBH", 0, 17, 8 + len(payload))
    return head[:6] + struct.pack("!H", checksum(pseudo + head + payload) or 0xFFFF) + payload


def tcp(payload):
    return struct.pack("!HHIIBBHHH", 9, 9, 1, 1, 0x50, 0x10, 1000, 0, 0) + payload


def stamp(flags=0, csum_offset=0, gso_size=0, csum_start=0, bucket=0, seq=0):
    return struct.pack("=HBBHHHH", STAMP_MAGIC, flags, csum_offset, gso_size, csum_start, bucket, seq)


def some_stamp(partial=True):
    pick = random.choice
    return stamp(pick((STAMP_PARTIAL, STAMP_INGRESS, STAMP_PARTIAL | STAMP_INGRESS, 0xFF)) if partial
                 else pick((0, STAMP_INGRESS, 0xF0)),
                 random.getrandbits(8), pick((0, 1, 7, 65535, random.getrandbits(16))),
                 pick((0, 20, 39, 40, 1400, 65535)), random.getrandbits(16), random.getrandbits(16))


IP4, IP6 = b"\x08\x00", b"\x86\xdd"
MACS = bytes.fromhex("020000000002020000000001")


def good():
    return ipv4(17, udp(os.urandom(random.randrange(0, 1300))))


def bad_header():
    """An IP header that lies: length, version, header length, or nothing but the header's start."""
    return random.choice((
        lambda: ipv4(17, udp(b"x" * 64), length=1400),
        lambda: ipv4(17, udp(b"x" * 64), length=10),
        lambda: b"\x4f" + good()[1:30],
        lambda: b"\x41" + good()[1:],
        lambda: b"\x75" + good()[1:],
        lambda: good()[:random.randrange(1, 20)],
        lambda: b"\x60" + os.urandom(30),
    ))()


# kind -> a frame. All but the lying ones must be dropped: they never went through wgx_egress, or they are
# no packets, or they are for nobody. A lying stamp on an honest packet may pass, if it comes out right.
FRAMES = {
    "unstamped": lambda: MACS + IP4 + good(),
    "random": lambda: os.urandom(random.randrange(15, 1400)),
    "short": lambda: MACS + IP4 + os.urandom(random.randrange(1, 20)),
    "short-stamped": lambda: some_stamp() + IP4 + os.urandom(random.randrange(1, 19)),
    "bad-header": lambda: stamp() + random.choice((IP4, IP6)) + bad_header(),
    "nobody": lambda: stamp() + IP4 + ipv4(17, udp(b"x" * 100, dst="10.99.0.1"), dst="10.99.0.1"),
    "arp": lambda: stamp() + b"\x08\x06" + os.urandom(28),
    "lying": lambda: some_stamp(partial=False) + IP4 + good(),
    "lying-partial": lambda: some_stamp() + IP4 + good(),
}


def gso_frame():
    """A TCP superframe of 30,000 bytes with a virtio header, whose stamp contradicts it."""
    frame = some_stamp(partial=False) + IP4 + ipv4(6, tcp(os.urandom(30000)))
    return struct.pack("=BBHHHH", 1, 1, 54, 1400, 34, 16) + frame


def frames(iface, kind, count):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    if kind == "gso":
        s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    s.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    s.bind((iface, 0x0800))
    make = gso_frame if kind == "gso" else FRAMES[kind]
    sent = 0
    for i in range(int(count)):
        try:
            s.send(make())
            sent += 1
        except OSError:
            pass # the kernel refuses some itself
        if i % 32 == 31:
            select.select([], [], [], 0.001) # less than the ring holds: these are to be judged, not lost
    print(sent)


def forged(kind, size):
    return bytes((kind, 0, 0, 0)) + os.urandom(size - 4)


def send_gso(s, datagrams, to):
    size = struct.pack("=H", len(datagrams[0]))
    s.sendmsg([b"".join(datagrams)], [(SOL_UDP, UDP_SEGMENT, size)], 0, to)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def flood(dst, port, count):
    s = socket.socket(family(dst), socket.SOCK_DGRAM)
    sent = 0
    for _ in range(int(count)):
        size = random.choice((32, 64, 92, 148, 160, 1392, random.randrange(5, 1400)))
        n = random.randrange(2, 40)
        kinds = [random.choice((1, 2, 3, 4, 4, 4, 4, 0, 5, 255)) for _ in range(n)]
        tail = [] if size < 100 else [forged(random.choice((1, 4)), random.randrange(5, size))]
        send_gso(s, [forged(k, size) for k in kinds][:60000 // size] + tail, (dst, int(port)))
        sent += n + len(tail)
    print(sent)


def wrong_length():
    kind, size = random.choice(((1, 148), (2, 92), (3, 64)))
    return forged(kind, random.choice((size - 1, size + 1, random.choice([n for n in (64, 92, 148) if n != size]))))


# kind -> a message that is certain to be refused
SINGLES = {
    "type": lambda: struct.pack("<I", random.choice((0, 5, 255, 0x101, 0x80000004))) + os.urandom(144),
    "length": wrong_length,
    "short": lambda: forged(4, random.randrange(4, 32)),
    "scrap": lambda: os.urandom(random.randrange(0, 4)),
    "initiation": lambda: forged(1, 148),
    "response": lambda: forged(2, 92),
    "cookie": lambda: forged(3, 64),
    "data": lambda: forged(4, random.randrange(32, 1400)),
}


def send_slowly(dst, port, messages):
    s = socket.socket(family(dst), socket.SOCK_DGRAM)
    sent = 0
    for m in messages:
        s.sendto(m, (dst, int(port)))
        sent += 1
        if sent % 32 == 0:
            select.select([], [], [], 0.001)
    print(sent)


def single(dst, port, kind, count):
    send_slowly(dst, port, (SINGLES[kind]() for _ in range(int(count))))


def udp_payloads(pcap):
    with open(pcap, "rb") as f:
        data = f.read()
    at = 24
    while at + 16 <= len(data):
        size = struct.unpack("=I", data[at + 8:at + 12])[0]
        frame = data[at + 16:at + 16 + size]
        udp = 14 + 4 * (frame[14] & 15)
        yield frame[udp + 8:udp + struct.unpack("!H", frame[udp + 4:udp + 6])[0]]
        at += 16 + size


def again(dst, port, pcap):
    send_slowly(dst, port, udp_payloads(pcap))


def sniff(iface, port, path):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    s.bind((iface, ETH_P_ALL))
    s.settimeout(20)
    print("ready", flush=True)
    while True:
        p, (_, _, kind, *_) = s.recvfrom(65535)
        if kind == PACKET_OUTGOING and p[0] >> 4 == 4 and p[9] == 17 and struct.unpack("!H", p[22:24])[0] == int(port) and p[28] == 4:
            with open(path, "wb") as f:
                f.write(p[28:])
            return


# kind -> what is made of a data message. Those that keep the index are of the session's peer, it seems.
CHANGES = {
    "replay": lambda m: m,
    "tag": lambda m: m[:-1] + bytes([m[-1] ^ 1]),
    "index": lambda m: m[:4] + bytes(b ^ 0xFF for b in m[4:8]) + m[8:],
    "short": lambda m: m[:31],
    "type": lambda m: bytes([9]) + m[1:],
}


def copies(path, dst, port, kind, count):
    with open(path, "rb") as f:
        message = CHANGES[kind](f.read())
    s = socket.socket(family(dst), socket.SOCK_DGRAM)
    for _ in range(int(count) // 50):
        send_gso(s, [message] * 50, (dst, int(port)))
        select.select([], [], [], 0.0005)
    print(int(count) // 50 * 50)


def wrapped(datagram):
    """The datagram among forgeries of its size; the last is an initiation of the right length."""
    size = len(datagram)
    batch = [forged(1, size), datagram, forged(4, size), forged(2, size)]
    return batch + ([forged(1, 148)] if size > 148 else [])


def relay(port, dst, dstport):
    front = socket.socket(family(dst), socket.SOCK_DGRAM)
    front.bind(("", int(port)))
    back = socket.socket(family(dst), socket.SOCK_DGRAM)
    back.connect((dst, int(dstport)))
    client = None
    print("relaying", flush=True)
    while True:
        for s in select.select([front, back], [], [])[0]:
            if s is front:
                data, client = front.recvfrom(65535)
                if data[0] == 4 and len(data) > 32:
                    size = struct.pack("=H", len(data))
                    back.sendmsg([b"".join(wrapped(data))], [(SOL_UDP, UDP_SEGMENT, size)])
                else:
                    back.send(data)
            elif client:
                front.sendto(back.recv(65535), client)


def raw_payloads(proto, count):
    rng = random.Random(int(proto))
    for i in range(int(count)):
        yield struct.pack("!I", i) + rng.randbytes(rng.randrange(8, 1300))


def digest(payloads):
    h = hashlib.sha256()
    for p in sorted(payloads):
        h.update(p)
    return f"{len(payloads)} {h.hexdigest()[:16]}"


def raw_send(dst, proto, count):
    s = socket.socket(family(dst), socket.SOCK_RAW, int(proto))
    sent = []
    for p in raw_payloads(proto, count):
        s.sendto(p, (dst, 0))
        sent.append(p)
        select.select([], [], [], 0.0005)
    print(digest(sent))


def raw_recv(version, proto, count):
    v6 = version == "6"
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW, int(proto))
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)  # all of them, however busy the machine
    s.settimeout(5)
    print("ready", file=sys.stderr, flush=True)
    got = set()
    try:
        while len(got) < int(count):
            data = s.recv(65535)
            got.add(data if v6 else data[20:])
    except TimeoutError:
        pass
    print(digest(list(got)))


COMMANDS = {"frames": frames, "flood": flood, "single": single, "again": again, "relay": relay, "sniff": sniff, "copies": copies, "raw-send": raw_send, "raw-recv": raw_recv}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    COMMANDS[sys.argv[1]](*sys.argv[2:])
