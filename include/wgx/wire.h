/* SPDX-License-Identifier: MIT */
/* WireGuard messages as they stand on the wire ([W] 5.4). All integers are little-endian. */
#ifndef WGX_WIRE_H
#define WGX_WIRE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum wgx_message_type {
	WGX_MSG_INITIATION = 1,
	WGX_MSG_RESPONSE = 2,
	WGX_MSG_COOKIE = 3,
	WGX_MSG_DATA = 4,
};

#define WGX_KEY_LEN 32
#define WGX_TAG_LEN 16
#define WGX_COOKIE_LEN 16
#define WGX_COOKIE_NONCE_LEN 24
#define WGX_TIMESTAMP_LEN 12
#define WGX_PADDING 16

struct wgx_macs {
	__u8 mac1[WGX_COOKIE_LEN];
	__u8 mac2[WGX_COOKIE_LEN];
};

struct wgx_msg_initiation {
	__le32 type; /* the type byte and three reserved zero bytes */
	__le32 sender;
	__u8 ephemeral[WGX_KEY_LEN];
	__u8 encrypted_static[WGX_KEY_LEN + WGX_TAG_LEN];
	__u8 encrypted_timestamp[WGX_TIMESTAMP_LEN + WGX_TAG_LEN];
	struct wgx_macs macs;
};

struct wgx_msg_response {
	__le32 type;
	__le32 sender;
	__le32 receiver;
	__u8 ephemeral[WGX_KEY_LEN];
	__u8 encrypted_nothing[WGX_TAG_LEN];
	struct wgx_macs macs;
};

struct wgx_msg_cookie {
	__le32 type;
	__le32 receiver;
	__u8 nonce[WGX_COOKIE_NONCE_LEN];
	__u8 encrypted_cookie[WGX_COOKIE_LEN + WGX_TAG_LEN];
};

struct wgx_msg_data {
	__le32 type;
	__le32 receiver;
	__le64 counter;
	__u8 payload[]; /* ciphertext, then WGX_TAG_LEN bytes of tag */
};

#define WGX_REJECT_AFTER_MESSAGES (~0ULL - (1ULL << 13)) /* no counter is as high ([W] 6.1) */

#define WGX_DATA_HEADER_LEN 16
#define WGX_DATA_OVERHEAD (WGX_DATA_HEADER_LEN + WGX_TAG_LEN)
#define WGX_MSG_DATA_MIN WGX_DATA_OVERHEAD

_Static_assert(sizeof(struct wgx_msg_initiation) == 148, "[W] 5.4.2");
_Static_assert(sizeof(struct wgx_msg_response) == 92, "[W] 5.4.3");
_Static_assert(sizeof(struct wgx_msg_cookie) == 64, "[W] 5.4.7");
_Static_assert(sizeof(struct wgx_msg_data) == WGX_DATA_HEADER_LEN, "[W] 5.4.6");

#endif
