/* SPDX-License-Identifier: MIT */
/* Frames of an input for BPF_PROG_TEST_RUN. A target has its environment of selftests/bpf before this, with its pkt. */
#ifndef WGX_SELFTESTS_FUZZ_FRAME_H
#define WGX_SELFTESTS_FUZZ_FRAME_H

#include "fuzz/fuzz.h"

#include <linux/if_ether.h>

/* A test run takes no frame that is shorter than the header its EtherType promises, nor one of more than a page. */
static inline bool can_run(const uint8_t *frame, size_t len)
{
	uint16_t type;

	if (len <= ETH_HLEN || len > 3000)
		return false;
	type = (uint16_t)(frame[12] << 8 | frame[13]);
	return len >= ETH_HLEN + (type == ETH_P_IP ? 20u : type == ETH_P_IPV6 ? 40u : 1u);
}

/* The rest of @in; false: no test run takes it */
static inline bool take_frame(struct bytes *in, struct packet *p)
{
	if (!can_run(in->p, in->left))
		return false;
	memcpy(p->data, in->p, in->left);
	p->len = in->left;
	return true;
}

/* What a frame @p may claim of itself, as the context of a test run says it */
static inline uint16_t gso_of(const struct packet *p, bool claimed, uint16_t gso_size)
{
	return claimed && gso_size < p->len ? gso_size : 0;
}

static inline void skip_without_bpf(bool there)
{
	if (there)
		return;
	printf("SKIP BPF is not permitted here\n");
	exit(0);
}

#endif
