/* SPDX-License-Identifier: MIT */
/*
 * State as bytes, for another process of this host: one function for each kind of thing writes it and reads it, so
 * that both cannot differ. Bytes stand as they do in memory; a format number is the caller's.
 */
#ifndef WGX_PROTO_CODEC_H
#define WGX_PROTO_CODEC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/**
 * struct wgx_codec - @size bytes at @p, of which the first @at are done
 * Writing with @p NULL only counts. @failed: something did not fit, or was not what it should be; nothing that was
 * read is worth anything then, and what is read further is zero.
 */
struct wgx_codec {
	uint8_t *p;
	size_t size, at;
	bool reading;
	bool failed;
};

/** wgx_codec_bytes() - @len bytes from or to @v */
static inline void wgx_codec_bytes(struct wgx_codec *c, void *v, size_t len)
{
	if ((c->reading || c->p) && len > c->size - c->at)
		c->failed = true;
	if (c->failed) {
		if (c->reading)
			memset(v, 0, len);
		return;
	}
	if (c->reading)
		memcpy(v, c->p + c->at, len);
	else if (c->p)
		memcpy(c->p + c->at, v, len);
	c->at += len;
}

static inline void wgx_codec_u64(struct wgx_codec *c, uint64_t *v)
{
	wgx_codec_bytes(c, v, sizeof(*v));
}

static inline void wgx_codec_u32(struct wgx_codec *c, uint32_t *v)
{
	wgx_codec_bytes(c, v, sizeof(*v));
}

static inline void wgx_codec_u16(struct wgx_codec *c, uint16_t *v)
{
	wgx_codec_bytes(c, v, sizeof(*v));
}

/** wgx_codec_upto() - a number that is at most @max: where one that is read is more, @c has failed */
static inline void wgx_codec_upto(struct wgx_codec *c, uint32_t *v, uint32_t max)
{
	wgx_codec_u32(c, v);
	if (c->reading && *v > max) {
		c->failed = true;
		*v = 0;
	}
}

static inline void wgx_codec_bool(struct wgx_codec *c, bool *v)
{
	uint32_t n = *v;

	wgx_codec_upto(c, &n, 1);
	*v = n;
}

static inline void wgx_codec_atomic(struct wgx_codec *c, _Atomic uint64_t *v)
{
	uint64_t n = atomic_load(v);

	wgx_codec_u64(c, &n);
	if (c->reading)
		atomic_store(v, n);
}

static inline void wgx_codec_atomic_bool(struct wgx_codec *c, _Atomic bool *v)
{
	bool b = atomic_load(v);

	wgx_codec_bool(c, &b);
	if (c->reading)
		atomic_store(v, b);
}

/** wgx_codec_text() - a string in an array of @size bytes */
static inline void wgx_codec_text(struct wgx_codec *c, char *text, size_t size)
{
	uint32_t len = c->reading ? 0 : (uint32_t)strnlen(text, size - 1);

	wgx_codec_upto(c, &len, (uint32_t)size - 1);
	wgx_codec_bytes(c, text, len);
	text[len] = '\0';
	if (c->reading && strlen(text) != len)
		c->failed = true;
}

#endif
