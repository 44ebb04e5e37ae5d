#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""IP packets of every shape into one tunnel end, and what came out of the other.

send IFACE KIND ...     write the packets of these kinds onto IFACE, through its qdisc and tcx programs
recv IFACE KIND ...     wait for just these packets to come in on IFACE, unchanged; says which were missing
tos DST TOS ...         one UDP packet to DST for each TOS or traffic class (hexadecimal)
numbers DST PORT A B    UDP packets with the numbers A to B as their payloads
collect PORT COUNT      COUNT UDP payloads, one a line, as they come
error KIND DST          what a udp or tcp socket connected to DST hears: an errno's name, or "silence"
recv, and collect, print "ready" first.
"""
import errno
import select
import socket
import struct
import sys
import time

SRC4, DST4 = "10.7.0.1", "10.7.0.2"
SRC6, DST6 = "fd07::1", "fd07::2"
PORT = 7
SO_RCVBUFFORCE, SOL_PACKET, PACKET_VNET_HDR = 33, 263, 15
IP_RECVERR, IPV6_RECVERR = 11, 25


def checksum(data):
    data += b"\0" * (len(data) % 2)
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def ip4(proto, payload, dst=DST4, options=b"", ident=0x4242, frag=0, tos=0, ttl=17):
    head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, tos, 20 + len(options) + len(payload),
                       ident, frag, ttl, proto, 0, socket.inet_aton(SRC4), socket.inet_aton(dst)) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ip6(following, payload, dst=DST6, tclass=0, flow=0x12345, hops=17):
    return struct.pack("!IHBB", 6 << 28 | tclass << 20 | flow, len(payload), following, hops) + \
        socket.inet_pton(socket.AF_INET6, SRC6) + socket.inet_pton(socket.AF_INET6, dst) + payload


def udp4(payload, dst=DST4):
    head = struct.pack("!HHHH", PORT, PORT, 8 + len(payload), 0)
    pseudo = socket.inet_aton(SRC4) + socket.inet_aton(dst) + struct.pack("!BBH", 0, 17, 8 + len(payload))
    return head[:6] + struct.pack("!H", checksum(pseudo + head + payload) or 0xFFFF) + payload


def udp6(payload, dst=DST6):
    head = struct.pack("!HHHH", PORT, PORT, 8 + len(payload), 0)
    pseudo = socket.inet_pton(socket.AF_INET6, SRC6) + socket.inet_pton(socket.AF_INET6, dst) + \
        struct.pack("!II", 8 + len(payload), 17)
    return head[:6] + struct.pack("!H", checksum(pseudo + head + payload) or 0xFFFF) + payload


def body(n):
    return bytes(i * 7 % 256 for i in range(n))


def extension(following, payload, length=8):
    """A hop-by-hop or destination options header of padding (PadN)."""
    return bytes((following, length // 8 - 1, 1, length - 4)) + b"\0" * (length - 4) + payload


def fragment6(following, payload, offset, more, ident=0x4242):
    return struct.pack("!BBHI", following, 0, offset | more, ident) + payload


def fragments4():
    whole = udp4(body(900))
    return [ip4(17, whole[:400], frag=0x2000), ip4(17, whole[400:800], frag=0x2000 | 50),
            ip4(17, whole[800:], frag=100)]


def fragments6():
    whole = udp6(body(900))
    return [ip6(44, fragment6(17, whole[:400], 0, 1)), ip6(44, fragment6(17, whole[400:800], 400, 1)),
            ip6(44, fragment6(17, whole[800:], 800, 0))]


KINDS = {
    # record route and time stamp: routers change them, a tunnel does not
    "options4": lambda: [ip4(17, udp4(body(100)), options=bytes((7, 11, 4)) + b"\0" * 8 + b"\1"),
                         ip4(17, udp4(body(1300)), options=bytes((68, 40, 5, 0)) + b"\0" * 36)],
    "extensions6": lambda: [ip6(0, extension(17, udp6(body(100)))),
                            ip6(0, extension(60, extension(17, udp6(body(1300)), 24))),
                            ip6(60, extension(59, b""))],
    "fragments4": fragments4,
    "fragments6": fragments6,
    "last-fragments": lambda: [fragments4()[2], fragments6()[2], fragments4()[1], fragments6()[0]],
    "protocols": lambda: [ip4(p, body(33), ident=p) for p in (0, 1, 2, 6, 41, 47, 50, 51, 89, 132, 253, 255)] +
                         [ip6(p, body(33), flow=p) for p in (6, 17, 41, 47, 50, 58, 59, 89, 132, 253)],
    "sizes": lambda: [ip4(253, body(n), ident=n) for n in (*range(0, 40), 1399, 1400)] +
                     [ip6(253, body(n), flow=n) for n in (*range(0, 40), 1379, 1380)],
    "ttl": lambda: [ip4(17, udp4(body(9)), ttl=n) for n in (1, 255)] +
                   [ip6(17, udp6(body(9)), hops=n) for n in (1, 255)],
    "tos": lambda: [ip4(253, body(8), tos=n, ident=n) for n in range(256)] +
                   [ip6(253, body(8), tclass=n) for n in range(256)],
    "multicast": lambda: [ip4(17, udp4(body(20), dst="239.1.2.3"), dst="239.1.2.3"),
                          ip6(17, udp6(body(20), dst="ff05::1234"), dst="ff05::1234")],
    "broadcast": lambda: [ip4(17, udp4(body(20), dst="255.255.255.255"), dst="255.255.255.255"),
                          ip4(17, udp4(body(20), dst="10.7.0.255"), dst="10.7.0.255")],
    "wrong-checksum": lambda: [ip4(17, udp4(body(100))[:6] + b"\x12\x34" + udp4(body(100))[8:], ident=1),
                               ip6(17, udp6(body(100))[:6] + b"\x12\x34" + udp6(body(100))[8:], flow=1)],
}

# What must never leave: whole frames' Ethertypes and contents.
FOREIGN = [(ethertype, ip4(17, udp4(body(60)))) for ethertype in
           (0x0806, 0x88B5, 0x8100, 0x88A8, 0x8847, 0x8863, 0x8864, 0x86DD, 0x0003, 0x9000)] + \
          [(0x0800, ip6(17, udp6(body(60)))), (0x0800, body(60)), (0x86DD, body(60)), (0x0800, b"\x45")]


def send(iface, *kinds):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    sent = 0
    for kind in kinds:
        if kind == "foreign":
            frames = FOREIGN
        else:
            frames = [(0x0800 if p[0] >> 4 == 4 else 0x86DD, p) for p in KINDS[kind]()]
        for ethertype, packet in frames:
            try:
                s.sendto(packet, (iface, ethertype, 0, 0, b"\2\0\0\0\0\1"))
            except OSError as e:
                if e.errno != errno.ENOBUFS:  # how the sender hears of a drop in tcx
                    raise
            sent += 1
            if sent % 64 == 0:
                time.sleep(0.01)  # what is on its way to the worker is bounded
    print(sent)


def completed(packet):
    """A frame behind its virtio_net_hdr: the IP packet, with the checksum that a verified one still lacks."""
    flags, gso, _, _, start, offset = struct.unpack("=BBHHHH", packet[:10])
    packet = packet[10:]
    if gso:
        raise ValueError("a GSO packet: no two of one flow, please")
    if flags & 1:
        check = struct.pack("!H", checksum(packet[start:]) or 0xFFFF)
        packet = packet[:start + offset] + check + packet[start + offset + 2:]
    return packet[14:]


def recv(iface, *kinds):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    s.bind((iface, 3))
    wanted = [p for kind in kinds for p in KINDS[kind]()]
    print("ready", flush=True)
    end = time.monotonic() + 20
    others = []
    while wanted and time.monotonic() < end:
        if not select.select([s], [], [], 0.2)[0]:
            continue
        packet, address = s.recvfrom(65536)
        if address[2] == 4:  # PACKET_OUTGOING: what this host answers
            continue
        packet = completed(packet)
        if packet in wanted:
            wanted.remove(packet)
        else:
            others.append(packet)
    for p in wanted:
        print("missing", p.hex())
    for p in others:
        print("other", p.hex())
    sys.exit(bool(wanted or others))


def tos(dst, *values):
    v6 = ":" in dst
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    for i, v in enumerate(values):
        s.setsockopt(socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP,
                     socket.IPV6_TCLASS if v6 else socket.IP_TOS, int(v, 16))
        s.sendto(b"x" * (i + 1), (dst, 9))  # each longer, so that no two become one GSO packet


def numbers(dst, port, first, last):
    s = socket.socket(socket.AF_INET6 if ":" in dst else socket.AF_INET, socket.SOCK_DGRAM)
    for i in range(int(first), int(last) + 1):
        s.sendto(str(i).encode(), (dst, int(port)))


def collect(port, count):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    s.bind(("::", int(port)))
    print("ready", flush=True)
    for _ in range(int(count)):
        print(s.recv(100).decode(), flush=True)


def error(kind, dst):
    s = socket.socket(socket.AF_INET6 if ":" in dst else socket.AF_INET,
                      socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    # without it a UDP socket is not told of what may be but for a moment, such as an unreachable host
    if ":" in dst:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    s.settimeout(20)
    try:
        s.connect((dst, 9))
        if kind == "udp":
            s.send(b"anybody there?")
            s.recv(1)
    except TimeoutError:
        print("silence")
    except OSError as e:
        print(errno.errorcode[e.errno])


if __name__ == "__main__":
    COMMANDS = {"send": send, "recv": recv, "tos": tos, "numbers": numbers, "collect": collect, "error": error}
    COMMANDS[sys.argv[1]](*sys.argv[2:])
