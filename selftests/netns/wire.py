#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What stood on the wire: reads a capture of an Ethernet device (or of any) that tcpdump wrote.

checksums PCAP           "V TYPE STATE COUNT" of each UDP datagram: IP version, WireGuard message type,
                         good, bad or zero
lengths PCAP SRC         the lengths of the data messages that SRC sent, one a line
sources PCAP             "SRC SPORT" of each data message, counted
resend PCAP SRC DST PORT COUNT
                         sends the last COUNT data messages of SRC once more, to DST PORT, from here
"""
import collections
import ipaddress
import socket
import struct
import sys

DATA = 4


def packets(path):
    """The IP packets of a capture, headers of the link layer taken off."""
    with open(path, "rb") as f:
        magic, _, _, _, _, _, link = struct.unpack("<IHHiIII", f.read(24))
        assert magic in (0xA1B2C3D4, 0xA1B23C4D), "a pcap file of this machine's byte order"
        head = {1: 14, 113: 16, 276: 20}[link]
        while len(record := f.read(16)) == 16:
            yield f.read(struct.unpack("<IIII", record)[2])[head:]


Datagram = collections.namedtuple("Datagram", "version src dst sport dport csum raw payload")


def datagrams(path):
    """The UDP datagrams that are not fragments."""
    for ip in packets(path):
        version = ip[0] >> 4
        if version == 4:
            at, proto, end = (ip[0] & 15) * 4, ip[9], struct.unpack("!H", ip[2:4])[0]
            src, dst = ip[12:16], ip[16:20]
            if struct.unpack("!H", ip[6:8])[0] & 0x3FFF:
                continue
        elif version == 6:
            at, proto, end = 40, ip[6], 40 + struct.unpack("!H", ip[4:6])[0]
            src, dst = ip[8:24], ip[24:40]
        else:
            continue
        if proto != 17 or len(ip) < end:
            continue
        udp = ip[at:end]
        sport, dport, _, csum = struct.unpack("!HHHH", udp[:8])
        yield Datagram(version, src, dst, sport, dport, csum, udp, udp[8:])


def folded(data):
    data += b"\0" * (len(data) % 2)
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return s


def state(d):
    if not d.csum:
        return "zero"
    pseudo = d.src + d.dst + struct.pack("!II", len(d.raw), 17)
    return "good" if folded(pseudo + d.raw) == 0xFFFF else "bad"


def name(address):
    return str(ipaddress.ip_address(address))


def checksums(path):
    count = collections.Counter((d.version, d.payload[0] if d.payload else 0, state(d)) for d in datagrams(path))
    for (version, kind, what), n in sorted(count.items()):
        print(version, kind, what, n)


def data_from(path, src):
    return [d.payload for d in datagrams(path) if d.payload[:1] == bytes((DATA,)) and name(d.src) == src]


def lengths(path, src):
    for p in data_from(path, src):
        print(len(p))


def sources(path):
    count = collections.Counter((name(d.src), d.sport) for d in datagrams(path) if d.payload[:1] == bytes((DATA,)))
    for (src, port), n in sorted(count.items()):
        print(src, port, n)


def resend(path, src, dst, port, count):
    messages = data_from(path, src)[-int(count):]
    s = socket.socket(socket.AF_INET6 if ":" in dst else socket.AF_INET, socket.SOCK_DGRAM)
    for m in messages:
        s.sendto(m, (dst, int(port)))
    print(len(messages))


COMMANDS = {f.__name__: f for f in (checksums, lengths, sources, resend)}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    COMMANDS[sys.argv[1]](*sys.argv[2:])
