/* SPDX-License-Identifier: MIT */
#include "cli/secbuf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "device/secmem.h"
#include "proto/key_text.h"

#define FIRST_SIZE 4096u

/* By hand: realloc() would leave secrets in what it frees. */
static int grow(struct wgx_secbuf *b, size_t size)
{
	char *data = wgx_secmem_alloc(size);

	if (!data)
		return -ENOMEM;
	if (b->len)
		memcpy(data, b->data, b->len);
	wgx_secmem_free(b->data, b->size);
	b->data = data;
	b->size = size;
	return 0;
}

char *wgx_secbuf_room(struct wgx_secbuf *b, size_t n)
{
	size_t size = b->size ? b->size : FIRST_SIZE;

	while (size - b->len <= n)
		size *= 2;
	if (b->failed || (size > b->size && grow(b, size))) {
		b->failed = true;
		return NULL;
	}
	return b->data + b->len;
}

void wgx_secbuf_printf(struct wgx_secbuf *b, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n < 0 || !wgx_secbuf_room(b, (size_t)n))
		return;
	va_start(ap, format);
	vsnprintf(b->data + b->len, (size_t)n + 1, format, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void wgx_secbuf_hex(struct wgx_secbuf *b, const char *name, const uint8_t key[WGX_KEY_LEN])
{
	char *p;

	wgx_secbuf_printf(b, "%s=", name);
	p = wgx_secbuf_room(b, 2 * WGX_KEY_LEN + 1);
	if (!p)
		return;
	sodium_bin2hex(p, 2 * WGX_KEY_LEN + 1, key, WGX_KEY_LEN);
	b->len += 2 * WGX_KEY_LEN;
	wgx_secbuf_printf(b, "\n");
}

void wgx_secbuf_base64(struct wgx_secbuf *b, const uint8_t key[WGX_KEY_LEN])
{
	char *p = wgx_secbuf_room(b, WGX_KEY_TEXT_SIZE);

	if (!p)
		return;
	wgx_key_format(key, p);
	b->len += WGX_KEY_TEXT_LEN;
}

int wgx_secbuf_write(const struct wgx_secbuf *b, int fd)
{
	size_t done = 0;

	while (!b->failed && done < b->len) {
		ssize_t n = write(fd, b->data + done, b->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return b->failed ? -ENOMEM : 0;
}

int wgx_secbuf_read(struct wgx_secbuf *b, int fd, size_t max)
{
	for (;;) {
		char *p = wgx_secbuf_room(b, FIRST_SIZE / 2);
		ssize_t n;

		if (!p)
			return -ENOMEM;
		n = read(fd, p, b->size - b->len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		b->len += (size_t)n;
		b->data[b->len] = '\0';
		if (!n)
			return 0;
		if (b->len > max)
			return -EFBIG;
	}
}

void wgx_secbuf_free(struct wgx_secbuf *b)
{
	wgx_secmem_free(b->data, b->size);
	*b = (struct wgx_secbuf){0};
}
