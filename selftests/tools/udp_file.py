#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A file in UDP datagrams, each acknowledged and sent again where it is lost, and its SHA-256.

udp_file.py receive PORT                       prints the sum of what came, once all is there
udp_file.py send ADDRESS PORT DATAGRAMS SIZE   random bytes; prints their sum

A datagram is its number, the number of all, and SIZE bytes; the answer is its number. Up to 32 are on
their way at a time.
"""
import hashlib
import os
import select
import socket
import struct
import sys
import time

WINDOW = 32
AGAIN = 0.5
LIMIT = 60


def receive(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.bind(("::", port))
    print("ready", file=sys.stderr, flush=True)
    got = {}
    while True:
        data, sender = s.recvfrom(65536)
        number, total = struct.unpack("!II", data[:8])
        got[number] = data[8:]
        s.sendto(data[:4], sender)
        if len(got) == total:
            break
    print(hashlib.sha256(b"".join(got[n] for n in range(total))).hexdigest(), flush=True)
    # the last answers may have been lost
    while select.select([s], [], [], 2 * AGAIN)[0]:
        data, sender = s.recvfrom(65536)
        s.sendto(data[:4], sender)


def send(address, port, total, size):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((address, port))
    s.settimeout(0.1)
    payloads = [os.urandom(size) for _ in range(total)]
    waiting, sent_at, end = set(range(total)), {}, time.monotonic() + LIMIT
    while waiting:
        now = time.monotonic()
        if now > end:
            sys.exit(f"{len(waiting)} of {total} not answered in {LIMIT} s")
        for n in sorted(waiting)[:WINDOW]:
            if now - sent_at.get(n, -AGAIN) >= AGAIN:
                sent_at[n] = now
                s.send(struct.pack("!II", n, total) + payloads[n])
        try:
            waiting.discard(struct.unpack("!I", s.recv(4))[0])
        except (TimeoutError, ConnectionError):
            pass
    print(hashlib.sha256(b"".join(payloads)).hexdigest())


if sys.argv[1] == "receive":
    receive(int(sys.argv[2]))
else:
    send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
