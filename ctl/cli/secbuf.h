/* SPDX-License-Identifier: MIT */
/* Text that holds secrets, as long as it gets: in locked memory, no copy left behind when it grows. */
#ifndef WGX_CLI_SECBUF_H
#define WGX_CLI_SECBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wgx/wire.h>

/** struct wgx_secbuf - all zero is empty; @data is terminated unless it is NULL */
struct wgx_secbuf {
	char *data;
	size_t len, size;
	bool failed; /* no memory was left, and the text is not whole */
};

/** wgx_secbuf_room() - at least @n bytes behind the text; NULL: none left */
char *wgx_secbuf_room(struct wgx_secbuf *b, size_t n);
/** wgx_secbuf_printf() - append; what is appended may be in no other memory that nobody wipes */
void wgx_secbuf_printf(struct wgx_secbuf *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/** wgx_secbuf_hex() - append NAME=KEY in hexadecimal, a line of the UAPI */
void wgx_secbuf_hex(struct wgx_secbuf *b, const char *name, const uint8_t key[WGX_KEY_LEN]);
/** wgx_secbuf_base64() - append a key as people write it */
void wgx_secbuf_base64(struct wgx_secbuf *b, const uint8_t key[WGX_KEY_LEN]);
/** wgx_secbuf_write() - all of it to @fd; 0 or negative errno, -ENOMEM for a text that is not whole */
int wgx_secbuf_write(const struct wgx_secbuf *b, int fd);
/** wgx_secbuf_read() - all that comes from @fd; 0 or negative errno, -EFBIG beyond @max bytes */
int wgx_secbuf_read(struct wgx_secbuf *b, int fd, size_t max);
/** wgx_secbuf_free() - wipe and give back; empty then */
void wgx_secbuf_free(struct wgx_secbuf *b);

#endif
