/* SPDX-License-Identifier: MIT */
/* The primitives that WireGuard is made of ([W] 5.4), over libsodium and libb2. */
#ifndef WGX_PROTO_CRYPTO_H
#define WGX_PROTO_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wgx/wire.h>

#define WGX_HASH_LEN 32

/** struct wgx_bytes - one piece of a hash's input */
struct wgx_bytes {
	const void *data;
	size_t len;
};

/**
 * wgx_blake2s() - BLAKE2s of the @n @pieces one after the other (RFC 7693)
 * @out: @out_len bytes, 1 to 32; may be one of the pieces
 * @key: @key_len bytes, 0 to 32; NULL where @key_len is 0
 */
void wgx_blake2s(void *out, size_t out_len, const void *key, size_t key_len,
		 const struct wgx_bytes *pieces, size_t n);

/** wgx_hash() - BLAKE2s-256 of @a and then @b; @out may be @a or @b */
void wgx_hash(uint8_t out[WGX_HASH_LEN], const void *a, size_t a_len, const void *b, size_t b_len);

/** wgx_mac() - keyed BLAKE2s with 16 bytes of output: mac1, mac2 and cookies (P-MSG-5) */
void wgx_mac(uint8_t out[WGX_COOKIE_LEN], const void *key, size_t key_len, const void *data,
	     size_t len);

/** wgx_hmac() - HMAC-BLAKE2s (RFC 2104); @key of at most 64 bytes */
void wgx_hmac(uint8_t out[WGX_HASH_LEN], const void *key, size_t key_len, const void *data,
	      size_t len);

/**
 * wgx_kdf() - the paper's KDF1, KDF2 and KDF3: HKDF over HMAC-BLAKE2s (RFC 5869)
 * @out1, @out2, @out3: 32 bytes each; NULL from the first one on that is not wanted. Any of them may be
 *	@chaining_key or @input.
 */
void wgx_kdf(uint8_t *out1, uint8_t *out2, uint8_t *out3, const uint8_t chaining_key[WGX_HASH_LEN],
	     const void *input, size_t len);

void wgx_clamp(uint8_t private_key[WGX_KEY_LEN]);
void wgx_public_key(uint8_t public_key[WGX_KEY_LEN], const uint8_t private_key[WGX_KEY_LEN]);

/** wgx_dh() - X25519 (RFC 7748). Return: 0; -EKEYREJECTED, and @out zero, for low-order points (P-HS-2) */
int wgx_dh(uint8_t out[WGX_KEY_LEN], const uint8_t private_key[WGX_KEY_LEN],
	   const uint8_t public_key[WGX_KEY_LEN]);

/** wgx_seal() - ChaCha20-Poly1305 (RFC 8439), nonce = 32 zero bits and @counter; @dst: @len + 16 bytes */
void wgx_seal(uint8_t *dst, const void *src, size_t len, const void *ad, size_t ad_len,
	      uint64_t counter, const uint8_t key[WGX_KEY_LEN]);
/** wgx_open() - @len bytes at @src, tag included, to @len - 16 at @dst. Return: 0 or -EBADMSG */
int wgx_open(uint8_t *dst, const void *src, size_t len, const void *ad, size_t ad_len,
	     uint64_t counter, const uint8_t key[WGX_KEY_LEN]);

/** wgx_xseal(), wgx_xopen() - XChaCha20-Poly1305, for cookie replies */
void wgx_xseal(uint8_t *dst, const void *src, size_t len, const void *ad, size_t ad_len,
	       const uint8_t nonce[WGX_COOKIE_NONCE_LEN], const uint8_t key[WGX_KEY_LEN]);
int wgx_xopen(uint8_t *dst, const void *src, size_t len, const void *ad, size_t ad_len,
	      const uint8_t nonce[WGX_COOKIE_NONCE_LEN], const uint8_t key[WGX_KEY_LEN]);

/** wgx_wipe() - overwrite secrets; never optimised away */
void wgx_wipe(void *p, size_t len);
/** wgx_equal(), wgx_is_zero() - in constant time */
bool wgx_equal(const void *a, const void *b, size_t len);
bool wgx_is_zero(const void *p, size_t len);

#endif
