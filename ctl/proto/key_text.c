/* SPDX-License-Identifier: MIT */
#include "proto/key_text.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

_Static_assert(sodium_base64_ENCODED_LEN(WGX_KEY_LEN, sodium_base64_VARIANT_ORIGINAL) ==
		       WGX_KEY_TEXT_SIZE,
	       "wg's length of a key");

int wgx_key_parse(const char *text, uint8_t key[WGX_KEY_LEN])
{
	size_t len = 0;

	if (strnlen(text, WGX_KEY_TEXT_SIZE) == WGX_KEY_TEXT_LEN &&
	    !sodium_base642bin(key, WGX_KEY_LEN, text, WGX_KEY_TEXT_LEN, NULL, &len, NULL,
			       sodium_base64_VARIANT_ORIGINAL) &&
	    len == WGX_KEY_LEN)
		return 0;
	sodium_memzero(key, WGX_KEY_LEN);
	return -EINVAL;
}

void wgx_key_format(const uint8_t key[WGX_KEY_LEN], char text[WGX_KEY_TEXT_SIZE])
{
	sodium_bin2base64(text, WGX_KEY_TEXT_SIZE, key, WGX_KEY_LEN,
			  sodium_base64_VARIANT_ORIGINAL);
}
