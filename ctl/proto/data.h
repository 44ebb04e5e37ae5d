/* SPDX-License-Identifier: MIT */
/* One data message at a time ([W] 5.4.6): for tests and slow paths; the workers have their own. */
#ifndef WGX_PROTO_DATA_H
#define WGX_PROTO_DATA_H

#include <stddef.h>
#include <stdint.h>
#include "proto/keypair.h"

/**
 * wgx_data_seal() - write the message for @len plaintext bytes, already padded, to @msg
 * @msg: @len + WGX_DATA_OVERHEAD bytes; does not overlap @plain
 *
 * Return: 0, or -EKEYEXPIRED. The caller notes it by wgx_session_note_sent().
 */
int wgx_data_seal(struct wgx_keypair *kp, const void *plain, size_t len, uint64_t boot, void *msg);

/**
 * wgx_data_open() - read the message of @len bytes at @msg, whose receiver index named @kp
 * @plain: @len - WGX_DATA_OVERHEAD bytes; does not overlap @msg
 *
 * Return: 0; -EPROTO: no data message; -EKEYEXPIRED; -EBADMSG; -EALREADY: a replay. The caller notes it
 * by wgx_session_note_received().
 */
int wgx_data_open(struct wgx_keypair *kp, const void *msg, size_t len, uint64_t boot, void *plain);

#endif
