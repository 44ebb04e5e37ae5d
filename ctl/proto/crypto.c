/* SPDX-License-Identifier: MIT */
#include "proto/crypto.h"

#include <blake2.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#define HMAC_BLOCK 64
#define BLAKE2S_STACK 512 /* more than libb2's functions use */

void wgx_blake2s(void *out, size_t out_len, const void *key, size_t key_len,
		 const struct wgx_bytes *pieces, size_t n)
{
	blake2s_state state;

	if (key_len)
		blake2s_init_key(&state, out_len, key, key_len);
	else
		blake2s_init(&state, out_len);
	for (size_t i = 0; i < n; i++)
		blake2s_update(&state, pieces[i].data, pieces[i].len);
	blake2s_final(&state, out, out_len);
	wgx_wipe(&state, sizeof(state));
	/* blake2s_final() leaves what it gave out there, and that may be a transport key */
	sodium_stackzero(BLAKE2S_STACK);
}

void wgx_hash(uint8_t out[WGX_HASH_LEN], const void *a, size_t a_len, const void *b, size_t b_len)
{
	const struct wgx_bytes pieces[] = {{a, a_len}, {b, b_len}};

	wgx_blake2s(out, WGX_HASH_LEN, NULL, 0, pieces, 2);
}

void wgx_mac(uint8_t out[WGX_COOKIE_LEN], const void *key, size_t key_len, const void *data,
	     size_t len)
{
	const struct wgx_bytes piece = {data, len};

	wgx_blake2s(out, WGX_COOKIE_LEN, key, key_len, &piece, 1);
}

void wgx_hmac(uint8_t out[WGX_HASH_LEN], const void *key, size_t key_len, const void *data,
	      size_t len)
{
	uint8_t pad[HMAC_BLOCK] = {0}, inner[WGX_HASH_LEN];

	memcpy(pad, key, key_len);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36;
	wgx_hash(inner, pad, sizeof(pad), data, len);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	wgx_hash(out, pad, sizeof(pad), inner, sizeof(inner));
	wgx_wipe(pad, sizeof(pad));
	wgx_wipe(inner, sizeof(inner));
}

void wgx_kdf(uint8_t *out1, uint8_t *out2, uint8_t *out3, const uint8_t chaining_key[WGX_HASH_LEN],
	     const void *input, size_t len)
{
	uint8_t *const outs[] = {out1, out2, out3};
	uint8_t secret[WGX_HASH_LEN], block[WGX_HASH_LEN + 1];
	size_t block_len = 0;

	wgx_hmac(secret, chaining_key, WGX_HASH_LEN, input, len); /* extract */
	for (size_t i = 0; i < 3 && outs[i]; i++) { /* expand */
		block[block_len] = i + 1;
		wgx_hmac(block, secret, sizeof(secret), block, block_len + 1);
		block_len = WGX_HASH_LEN;
		memcpy(outs[i], block, WGX_HASH_LEN);
	}
	wgx_wipe(secret, sizeof(secret));
	wgx_wipe(block, sizeof(block));
}

void wgx_clamp(uint8_t private_key[WGX_KEY_LEN])
{
	private_key[0] &= 248;
	private_key[31] = (private_key[31] & 127) | 64;
}

void wgx_public_key(uint8_t public_key[WGX_KEY_LEN], const uint8_t private_key[WGX_KEY_LEN])
{
	crypto_scalarmult_curve25519_base(public_key, private_key);
}

int wgx_dh(uint8_t out[WGX_KEY_LEN], const uint8_t private_key[WGX_KEY_LEN],
	   const uint8_t public_key[WGX_KEY_LEN])
{
	if (crypto_scalarmult_curve25519(out, private_key, public_key) ||
	    wgx_is_zero(out, WGX_KEY_LEN)) {
		wgx_wipe(out, WGX_KEY_LEN);
		return -EKEYREJECTED;
	}
	return 0;
}

static void counter_nonce(uint8_t nonce[12], uint64_t counter)
{
	memset(nonce, 0, 4);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] = counter >> (8 * i);
}

void wgx_seal(uint8_t *dst, const void *src, size_t len, const void *ad, size_t ad_len,
	      uint64_t counter, const uint8_t key[WGX_KEY_LEN])
{
	uint8_t nonce[12];

	counter_nonce(nonce, counter);
	crypto_aead_chacha20poly1305_ietf_encrypt(dst, NULL, src, len, ad, ad_len, NULL, nonce,
						  key);
}

int wgx_open(uint8_t *dst, const void *src, size_t len, const void *ad, size_t ad_len,
	     uint64_t counter, const uint8_t key[WGX_KEY_LEN])
{
	uint8_t nonce[12];

	counter_nonce(nonce, counter);
	return crypto_aead_chacha20poly1305_ietf_decrypt(dst, NULL, NULL, src, len, ad, ad_len,
							 nonce, key)
		       ? -EBADMSG
		       : 0;
}

void wgx_xseal(uint8_t *dst, const void *src, size_t len, const void *ad, size_t ad_len,
	       const uint8_t nonce[WGX_COOKIE_NONCE_LEN], const uint8_t key[WGX_KEY_LEN])
{
	crypto_aead_xchacha20poly1305_ietf_encrypt(dst, NULL, src, len, ad, ad_len, NULL, nonce,
						   key);
}

int wgx_xopen(uint8_t *dst, const void *src, size_t len, const void *ad, size_t ad_len,
	      const uint8_t nonce[WGX_COOKIE_NONCE_LEN], const uint8_t key[WGX_KEY_LEN])
{
	return crypto_aead_xchacha20poly1305_ietf_decrypt(dst, NULL, NULL, src, len, ad, ad_len,
							  nonce, key)
		       ? -EBADMSG
		       : 0;
}

void wgx_wipe(void *p, size_t len)
{
	sodium_memzero(p, len);
}

bool wgx_equal(const void *a, const void *b, size_t len)
{
	return !sodium_memcmp(a, b, len);
}

bool wgx_is_zero(const void *p, size_t len)
{
	return sodium_is_zero(p, len);
}
