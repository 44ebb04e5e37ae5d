#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What captures tell of a tunnel whose daemon was killed many times.

leaks FILE MARK NETWORK,... [IFINDEX]  packets with the mark or an inner address, in a capture of `any` (LINUX_SLL2), but
                                 for those of device IFINDEX; prints the count, how many packets of other devices
                                 were looked at, and how many of IFINDEX were not; the first few to stderr
reuse FILE ADDRESS RESPONDER_PRIVATE_KEY INITIATOR_PUBLIC_KEY
                                 of messages from ADDRESS (Ethernet): prints how many initiations, data messages and
                                 receiver indices there are; fails where a counter came twice under one index, or a
                                 timestamp is not later than all before it
"""
import base64
import ipaddress
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tools"))
import wgpeer as wg  # noqa: E402

SLL2, ETHERNET = 276, 1
IPV4, IPV6, UDP = 0x0800, 0x86DD, 17


def packets(path):
    """link type, then (ifindex or None, protocol, packet from its IP header on) of each"""
    with open(path, "rb") as f:
        magic, _, _, _, _, _, link = struct.unpack("<IHHiIII", f.read(24))
        assert magic == 0xA1B2C3D4, "no pcap file of this machine's"
        assert link in (SLL2, ETHERNET), f"link type {link}"
        while len(head := f.read(16)) == 16:
            data = f.read(struct.unpack("<IIII", head)[2])
            if link == SLL2:
                proto, ifindex = struct.unpack(">H2xI", data[:8])
                yield ifindex, proto, data[20:]
            else:
                yield None, struct.unpack(">H", data[12:14])[0], data[14:]


def addresses(proto, ip):
    if proto == IPV4 and len(ip) >= 20:
        return ip[12:16], ip[16:20]
    if proto == IPV6 and len(ip) >= 40:
        return ip[8:24], ip[24:40]
    return ()


def leaks(path, mark, networks, ifindex="0"):
    inner = [ipaddress.ip_network(n) for n in networks.split(",")]
    mark, found, seen, left = bytes.fromhex(mark) * 2, 0, 0, 0
    for device, proto, ip in packets(path):
        if device == int(ifindex):
            left += 1
            continue
        seen += 1
        both = [ipaddress.ip_address(a) for a in addresses(proto, ip)]
        if mark in ip or any(a in n for a in both for n in inner if a.version == n.version):
            found += 1
            if found <= 5:
                print(f"device {device}: {both} {ip[:60].hex()}", file=sys.stderr)
    print(found, seen, left)


def stamp_of(msg, private, initiator):
    """the TAI64N of an initiation, by the responder's private key"""
    public = wg.x25519(private, wg.BASE)
    c = wg.blake(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")
    h = wg.blake(wg.blake(c, b"WireGuard v1 zx2c4 Jason@zx2c4.com"), public)
    e, static, stamp = msg[8:40], msg[40:88], msg[88:116]
    c, = wg.kdf(1, c, e)
    h = wg.blake(h, e)
    c, k = wg.kdf(2, c, wg.x25519(private, e))
    assert wg.unseal(k, 0, static, h) == initiator, "an initiation of somebody else"
    h = wg.blake(h, static)
    c, k = wg.kdf(2, c, wg.x25519(private, initiator))
    plain = wg.unseal(k, 0, stamp, h)
    assert plain, "an initiation that does not authenticate"
    return plain


def messages(path, address):
    source = ipaddress.ip_address(address).packed
    for _, proto, ip in packets(path):
        if proto == IPV4 and ip[9] == UDP and ip[12:16] == source:
            start = 4 * (ip[0] & 15)
            yield ip[start + 8 : start + struct.unpack(">H", ip[start + 4 : start + 6])[0]]


def reuse(path, address, private, initiator):
    private, initiator = base64.b64decode(private), base64.b64decode(initiator)
    counters, indices, stamps, bad = set(), set(), [], 0
    for msg in messages(path, address):
        if len(msg) == 148 and msg[0] == wg.INITIATION:
            stamps.append(stamp_of(msg, private, initiator))
            if len(stamps) > 1 and stamps[-1] <= max(stamps[:-1]):
                print(f"initiation {len(stamps)}: its timestamp is not later than those before", file=sys.stderr)
                bad += 1
        elif len(msg) >= 32 and msg[0] == wg.DATA:
            _, index, counter = struct.unpack("<IIQ", msg[:16])
            indices.add(index)
            if (index, counter) in counters:
                print(f"counter {counter} came twice under index {index:08x}", file=sys.stderr)
                bad += 1
            counters.add((index, counter))
    print(len(stamps), len(counters), len(indices))
    return bad


if __name__ == "__main__":
    sys.exit({"leaks": leaks, "reuse": reuse}[sys.argv[1]](*sys.argv[2:]) and 1 or 0)
