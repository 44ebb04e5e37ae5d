/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The AF_XDP sockets of one device, by receive queue. */
#ifndef WGX_BPF_XSKS_H
#define WGX_BPF_XSKS_H

#include "drop.h"

#define WGX_XSKS_MAX 64

/* The daemon puts in a socket for each queue it owns, the XDP programs redirect to them. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, WGX_XSKS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

#endif
