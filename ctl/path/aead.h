/* SPDX-License-Identifier: MIT */
/* ChaCha20-Poly1305 for data messages (RFC 8439; the nonce is 32 zero bits and the counter). */
#ifndef WGX_PATH_AEAD_H
#define WGX_PATH_AEAD_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#define WGX_AEAD_AVX2 1
#endif

struct wgx_aead;

/** struct wgx_aead_backend - one implementation; its state is in a struct wgx_aead a thread */
struct wgx_aead_backend {
	const char *name;
	struct wgx_aead *(*create)(void); /* NULL: not on this processor */
	void (*destroy)(struct wgx_aead *a);
	void (*seal)(struct wgx_aead *a, const uint8_t key[32], uint64_t counter,
		     const uint8_t *src, uint8_t *dst, size_t len);
	int (*open)(struct wgx_aead *a, const uint8_t key[32], uint64_t counter, const uint8_t *src,
		    uint8_t *dst, size_t len);
};

/** struct wgx_aead - what every backend's state begins with; one for each thread that uses it */
struct wgx_aead {
	const struct wgx_aead_backend *backend;
};

/** All that were built in, ending with NULL. */
extern const struct wgx_aead_backend *const wgx_aead_backends[];
extern const struct wgx_aead_backend wgx_aead_sodium;
#if WGX_AEAD_AVX2
extern const struct wgx_aead_backend wgx_aead_avx2;
#endif
#if WGX_IPSEC_MB
extern const struct wgx_aead_backend wgx_aead_ipsec_mb;
#endif

/**
 * wgx_aead_create() - the fastest backend of this machine, found by a trial of about a millisecond
 * once a process; WGX_AEAD=name in the environment decides instead. NULL: no memory, or no such
 * name.
 */
struct wgx_aead *wgx_aead_create(void);
void wgx_aead_destroy(struct wgx_aead *a);
/** wgx_aead_name() - of the backend that wgx_aead_create() takes; "none" */
const char *wgx_aead_name(void);

/**
 * wgx_aead_seal() - encrypt @len bytes from @src to @dst, and write the 16-byte tag after them
 *
 * @dst is @src itself, or does not overlap it. No associated data.
 */
static inline void wgx_aead_seal(struct wgx_aead *a, const uint8_t key[32], uint64_t counter,
				 const uint8_t *src, uint8_t *dst, size_t len)
{
	a->backend->seal(a, key, counter, src, dst, len);
}

/**
 * wgx_aead_open() - check the tag after @src's @len bytes and decrypt these to @dst
 * @len: ciphertext bytes, tag not counted
 *
 * Tags are compared in constant time. Return: 0, or -EBADMSG: then @dst may hold anything and must
 * not be used. @dst is @src itself, or does not overlap it.
 */
static inline int wgx_aead_open(struct wgx_aead *a, const uint8_t key[32], uint64_t counter,
				const uint8_t *src, uint8_t *dst, size_t len)
{
	return a->backend->open(a, key, counter, src, dst, len);
}

#endif
