/* SPDX-License-Identifier: MIT */
#include "proto/data.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include "proto/crypto.h"
#include "proto/session.h"

int wgx_data_seal(struct wgx_keypair *kp, const void *plain, size_t len, uint64_t boot, void *msg)
{
	struct wgx_msg_data header = {.type = htole32(WGX_MSG_DATA)};
	uint64_t counter;
	int err = wgx_keypair_take(kp, 1, boot, &counter);

	if (err)
		return err;
	header.receiver = htole32(kp->remote_index);
	header.counter = htole64(counter);
	memcpy(msg, &header, sizeof(header));
	wgx_seal((uint8_t *)msg + sizeof(header), plain, len, NULL, 0, counter, kp->send_key);
	return 0;
}

int wgx_data_open(struct wgx_keypair *kp, const void *msg, size_t len, uint64_t boot, void *plain)
{
	struct wgx_msg_data header;
	uint64_t counter;
	int err;

	if (len < WGX_MSG_DATA_MIN)
		return -EPROTO;
	memcpy(&header, msg, sizeof(header));
	if (le32toh(header.type) != WGX_MSG_DATA || le32toh(header.receiver) != kp->local_index)
		return -EPROTO;
	if (!wgx_keypair_may_open(kp, boot))
		return -EKEYEXPIRED;
	counter = le64toh(header.counter);
	err = wgx_open(plain, (const uint8_t *)msg + sizeof(header), len - sizeof(header), NULL, 0,
		       counter, kp->recv_key);
	if (err)
		return err;
	return wgx_replay_accept(&kp->replay, counter) ? 0 : -EALREADY; /* after authentication */
}
