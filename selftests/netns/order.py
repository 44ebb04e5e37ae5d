#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Numbered UDP datagrams of many flows, each of which is to arrive in order.

recv ADDRESS PORT          until a datagram says "end", or nothing comes for SILENCE seconds; then prints
                           "N received, M flows, G missing, O out of order"
send ADDRESS PORT FLOWS    from FLOWS sockets by turns, no more than WINDOW on their way, until SIGTERM; prints "N sent"
"""
import select
import signal
import socket
import struct
import sys
import time

SO_RCVBUFFORCE = 33
WINDOW, ACK, PATIENCE, SILENCE = 96, 8, 2.0, 30.0


def udp(address):
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)


def recv(address, port):
    s = udp(address)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20) # that none is lost here while we wait for a processor
    s.bind((address, port))
    flows, n, missing, late = {}, 0, 0, 0
    while select.select([s], [], [], SILENCE)[0]:
        data, peer = s.recvfrom(2048)
        if data == b"end":
            break
        number = struct.unpack("!Q", data[:8])[0]
        due = flows.get(peer, 0)
        if number < due:
            late += 1
            missing -= 1
        else:
            missing += number - due
            flows[peer] = number + 1
        n += 1
        if n % ACK == 0:
            s.sendto(struct.pack("!Q", n), peer)
    print(f"{n} received, {len(flows)} flows, {missing} missing, {late} out of order", flush=True)


def send(address, port, count):
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    flows = [udp(address) for _ in range(count)]
    for s in flows:
        s.connect((address, port))
        s.setblocking(False)
    numbers, sent, acked = [0] * count, 0, 0
    while not stopping or (sent - acked >= ACK and time.monotonic() < deadline):
        if sent - acked >= WINDOW or stopping:
            for s in select.select(flows, [], [], PATIENCE)[0]:
                acked = max(acked, struct.unpack("!Q", s.recv(64))[0])
                deadline = time.monotonic() + PATIENCE
            if sent - acked >= WINDOW and time.monotonic() > deadline:
                acked = sent - WINDOW // 2 # lost, or an answer was: the receiver tells
            continue
        flow = sent % count
        flows[flow].send(struct.pack("!Q", numbers[flow]) + bytes(sent * 37 % 1200))
        numbers[flow] += 1
        sent += 1
        deadline = time.monotonic() + PATIENCE
    for _ in range(3):
        try:
            flows[0].send(b"end")
        except ConnectionRefusedError: # it has ended
            break
    print(sent, "sent", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "recv":
        recv(sys.argv[2], int(sys.argv[3]))
    elif len(sys.argv) == 5 and sys.argv[1] == "send":
        send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        sys.exit(__doc__)
