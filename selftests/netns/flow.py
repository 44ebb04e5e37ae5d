#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Numbered UDP datagrams that come back: not one may be missing.

echo ADDRESS PORT [BACK]
                    send back what comes; to BACK, from where the route there says, if that is given
send ADDRESS PORT [BACK]
                    up to WINDOW of them on their way, so that a busy machine slows the flow down and no
                    queue runs over; until SIGTERM, and then until all are back or nothing has come for
                    PATIENCE seconds. Prints "sent N lost M", and how many came twice.
"""
import select
import signal
import socket
import struct
import sys
import time

WINDOW, BURST, PAUSE, PATIENCE = 32, 8, 0.001, 30


def udp(address):
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)


def echo(address, port, back=None):
    s = udp(address)
    s.bind((address, port))
    out = udp(back) if back else s
    while True:
        data, peer = s.recvfrom(65536)
        out.sendto(data[:8] if back else data, (back, port) if back else peer)


def send(address, port, back=None):
    s, stopping = udp(address), []
    answers = udp(back) if back else s
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    s.connect((address, port))
    if back:
        answers.bind((back, port))
    answers.setblocking(False)
    sent, twice, away, last = 0, 0, set(), time.monotonic()
    while not stopping or (away and time.monotonic() - last < PATIENCE):
        for _ in range(BURST):
            if stopping or len(away) >= WINDOW:
                break
            s.send(struct.pack("!Q", sent) + bytes(sent % 1300))
            away.add(sent)
            sent += 1
        select.select([answers], [], [], PAUSE)
        try:
            while True:
                n = struct.unpack("!Q", answers.recv(65536)[:8])[0]
                twice += n not in away
                away.discard(n)
                last = time.monotonic()
        except BlockingIOError:
            pass
        if len(away) < WINDOW:
            time.sleep(PAUSE)
    print(f"sent {sent} lost {len(away)} twice {twice}", flush=True)


{"echo": echo, "send": send}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
