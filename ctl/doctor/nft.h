/* SPDX-License-Identifier: MIT */
/* What nft's rules do to a message that comes in, as far as it can be told from them. */
#ifndef WGX_DOCTOR_NFT_H
#define WGX_DOCTOR_NFT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum wgx_fate {
	WGX_FATE_PASSES, /* nothing is known to drop it */
	WGX_FATE_DROPPED, /* it is, whoever sends it */
	WGX_FATE_DEPENDS, /* it is dropped at the end, unless a rule that cannot be judged here accepts it */
};

/**
 * struct wgx_datagram - the message: of UDP, a connection's first, by whomever
 * @device: it comes in by; NULL: not known
 */
struct wgx_datagram {
	bool v6;
	const char *device;
	uint16_t port;
};

/**
 * wgx_nft_judge() - follow @m through the filter chains of the hooks prerouting and input
 * @ruleset: the output of `nft -j list ruleset`
 * @ret_chain: unless it passes: the base chain that drops it, which belongs to @ruleset
 */
enum wgx_fate wgx_nft_judge(const json_t *ruleset, const struct wgx_datagram *m,
			    const json_t **ret_chain);

#endif
