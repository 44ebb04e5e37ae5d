#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Numbered UDP datagrams, each answered with its number.

send DST PORT COUNT    send them, 32 on their way at most; prints "COUNT sent DIGEST"
recv PORT COUNT        until the last comes, or nothing for 20 s; prints "N received D twice DIGEST"

The digest is of all payloads in order, so that it is equal on both sides where nothing was lost.
"""
import hashlib
import random
import select
import socket
import struct
import sys

WINDOW, PATIENCE, SILENCE = 32, 1.0, 20.0
SO_RCVBUFFORCE = 33


def payload(n):
    rng = random.Random(n)
    return struct.pack("!I", n) + rng.randbytes(rng.randrange(0, 1360))


def digest(numbers):
    h = hashlib.sha256()
    for n in sorted(numbers):
        h.update(payload(n))
    return h.hexdigest()[:16]


def send(dst, port, count):
    s = socket.socket(socket.AF_INET6 if ":" in dst else socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((dst, int(port)))
    under_way, count = set(), int(count)
    for n in range(count):
        s.send(payload(n))
        under_way.add(n)
        while len(under_way) >= WINDOW or (n == count - 1 and under_way):
            if not select.select([s], [], [], PATIENCE)[0]:
                under_way.clear() # lost, or its answer was
                break
            under_way.discard(struct.unpack("!I", s.recv(16)[:4])[0])
    for _ in range(5): # again, so that the receiver ends although one was lost
        try:
            s.send(struct.pack("!I", count))
        except ConnectionRefusedError: # it has ended
            break
    print(count, "sent", digest(range(count)))


def recv(port, count):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
    s.bind(("::", int(port)))
    got, twice, count = set(), 0, int(count)
    while select.select([s], [], [], SILENCE)[0]:
        data, peer = s.recvfrom(2048)
        n = struct.unpack("!I", data[:4])[0]
        if n >= count:
            break
        s.sendto(data[:4], peer)
        if data != payload(n):
            print("altered:", n)
        twice += n in got
        got.add(n)
    print(len(got), "received", twice, "twice", digest(got))


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] not in ("send", "recv"):
        sys.exit(__doc__)
    {"send": send, "recv": recv}[sys.argv[1]](*sys.argv[2:])
