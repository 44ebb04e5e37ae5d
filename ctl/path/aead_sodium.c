/* SPDX-License-Identifier: MIT */
/* ChaCha20-Poly1305 by libsodium: portable, and the fallback where ipsec-mb is missing. */
#include "path/aead.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#define NONCE_LEN crypto_aead_chacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN crypto_aead_chacha20poly1305_ietf_ABYTES

/* 32 zero bits, then the counter, little-endian ([W] 5.4.6) */
static void make_nonce(uint8_t nonce[NONCE_LEN], uint64_t counter)
{
	uint64_t le = htole64(counter);

	memset(nonce, 0, 4);
	memcpy(nonce + 4, &le, sizeof(le));
}

static struct wgx_aead *sodium_create(void)
{
	struct wgx_aead *a;

	if (sodium_init() < 0)
		return NULL;
	a = malloc(sizeof(*a));
	if (a)
		a->backend = &wgx_aead_sodium;
	return a;
}

static void sodium_destroy(struct wgx_aead *a)
{
	free(a);
}

static void sodium_seal(struct wgx_aead *a, const uint8_t key[32], uint64_t counter,
			const uint8_t *src, uint8_t *dst, size_t len)
{
	uint8_t nonce[NONCE_LEN];

	make_nonce(nonce, counter);
	crypto_aead_chacha20poly1305_ietf_encrypt(dst, NULL, src, len, NULL, 0, NULL, nonce, key);
}

static int sodium_open(struct wgx_aead *a, const uint8_t key[32], uint64_t counter,
		       const uint8_t *src, uint8_t *dst, size_t len)
{
	uint8_t nonce[NONCE_LEN];

	make_nonce(nonce, counter);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(dst, NULL, NULL, src, len + TAG_LEN, NULL, 0,
						      nonce, key))
		return -EBADMSG;
	return 0;
}

const struct wgx_aead_backend wgx_aead_sodium = {
	.name = "libsodium",
	.create = sodium_create,
	.destroy = sodium_destroy,
	.seal = sodium_seal,
	.open = sodium_open,
};
