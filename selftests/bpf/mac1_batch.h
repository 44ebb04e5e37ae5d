/* SPDX-License-Identifier: MIT */
/* What test_mac1.c and mac1_batch.bpf.c share: many messages, judged in one run. */
#ifndef WGX_TEST_MAC1_BATCH_H
#define WGX_TEST_MAC1_BATCH_H

#include <wgx/bpf_abi.h>

#define MAC1_BATCH 4096

struct mac1_case {
	struct wgx_mac1_key key;
	__u32 response; /* else an initiation */
	__u32 words[36]; /* the message up to the end of its mac1; the program changes it */
	__u32 right; /* the answer */
	__u32 pad;
};
_Static_assert(sizeof(struct mac1_case) == 192, "a multiple of 8: the map is mmapped");

#endif
