#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel that is in a vmlinuz: where nothing but an emulated processor would unpack it, that is done here, once.

    vmlinux.py VMLINUZ OUTPUT

Fails where the compression is none that lz4 or zstd knows, or where the kernel cannot be started so (no PVH entry).
See Documentation/arch/x86/boot.rst (payload_offset) of Linux.
"""
import struct
import subprocess
import sys

UNPACK = {b"\x02\x21\x4c\x18": ["lz4", "-dc"], b"\x28\xb5\x2f\xfd": ["zstd", "-dc"]}
PVH_NOTE = struct.pack("<I", 18) + b"Xen\0"  # XEN_ELFNOTE_PHYS32_ENTRY and the name

with open(sys.argv[1], "rb") as f:
    image = f.read()
if image[0x202:0x206] != b"HdrS":
    sys.exit("vmlinux.py: no Linux kernel")
start, size = struct.unpack_from("<II", image, 0x248)
start += (image[0x1F1] + 1) * 512
payload = image[start : start + size - 4]  # the last four bytes are the size
if payload[:4] not in UNPACK:
    sys.exit("vmlinux.py: compressed in another way")
kernel = subprocess.run(UNPACK[payload[:4]], input=payload, stdout=subprocess.PIPE, check=True).stdout
if kernel[:4] != b"\x7fELF" or PVH_NOTE not in kernel:
    sys.exit("vmlinux.py: it has no PVH entry")
with open(sys.argv[2], "wb") as f:
    f.write(kernel)
