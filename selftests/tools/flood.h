/* SPDX-License-Identifier: MIT */
/* What flood.c and flood.bpf.c share. */
#ifndef WGX_TOOLS_FLOOD_H
#define WGX_TOOLS_FLOOD_H

#define FLOOD_FRAMES 65536

struct flood_frame {
	unsigned char bytes[256];
};

#endif
