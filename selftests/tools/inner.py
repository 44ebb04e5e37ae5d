#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What an application sees when it sends into a tunnel. Runs on either kind of WireGuard.

table DST4 DST6    UDP packets with each TOS, hop limit and size that makes a difference; the last goes
                   to DST4's port 9999
errors DST ...     for each destination: what the first send and the calls after it say
"""
import errno
import select
import socket
import sys

RECVERR = {4: (socket.SOL_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}
MTU_DISCOVER = {4: (socket.SOL_IP, 10), 6: (socket.IPPROTO_IPV6, 23)}
TOS = {4: (socket.SOL_IP, socket.IP_TOS), 6: (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)}
TTL = {4: (socket.SOL_IP, socket.IP_TTL), 6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)}
SIZES = (0, 1, 3, 4, 5, 19, 20, 21, 100, 1371, 1372, 1373, 1391, 1392, 1393, 2800)


def udp(dst, pmtu=None, tos=None, ttl=None):
    v = 6 if ":" in dst else 4
    s = socket.socket(socket.AF_INET6 if v == 6 else socket.AF_INET, socket.SOCK_DGRAM)
    for option, value in ((MTU_DISCOVER[v], pmtu), (TOS[v], tos), (TTL[v], ttl)):
        if value is not None:
            s.setsockopt(*option, value)
    s.connect((dst, 9))
    return s


def attempt(what, f):
    try:
        f()
        print(what, "ok")
    except OSError as e:
        print(what, errno.errorcode[e.errno])


def table(*destinations):
    for dst in destinations:
        for size in SIZES:
            udp(dst).send(bytes([255]) * size)
        for tos in (0x01, 0x02, 0x04, 0xB8, 0xFE): # CE the driver does not copy (RFC 3168), wgx does (RFC 6040)
            udp(dst, tos=tos).send(b"tos")
        for ttl in (1, 2, 255):
            udp(dst, ttl=ttl).send(b"ttl")
        for pmtu in (0, 2, 3): # DONT, DO, PROBE
            udp(dst, pmtu).send(b"df")
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.sendto(b"end", (destinations[0], 9999))


def errors(*destinations):
    for dst in destinations:
        try:
            s = udp(dst)
        except OSError as e:
            print(dst, "connect", errno.errorcode[e.errno])
            continue
        s.setsockopt(*RECVERR[6 if ":" in dst else 4], 1)
        attempt(f"{dst} send", lambda: s.send(b"one"))
        select.select([s], [], [], 1)
        attempt(f"{dst} afterwards", lambda: s.recv(1, socket.MSG_DONTWAIT))
        for pmtu in (2, 3):
            for size in (1372, 1373, 1392, 1393):
                t = udp(dst, pmtu)
                attempt(f"{dst} {size} bytes in one piece ({pmtu})", lambda: t.send(bytes(size)))


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("table", "errors"):
        sys.exit(__doc__)
    {"table": table, "errors": errors}[sys.argv[1]](*sys.argv[2:])
