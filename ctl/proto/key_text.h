/* SPDX-License-Identifier: MIT */
/* Keys as people write them: base64 with its padding. */
#ifndef WGX_PROTO_KEY_TEXT_H
#define WGX_PROTO_KEY_TEXT_H

#include <stdint.h>
#include <wgx/wire.h>

#define WGX_KEY_TEXT_LEN 44
#define WGX_KEY_TEXT_SIZE (WGX_KEY_TEXT_LEN + 1) /* with its terminator */

/** wgx_key_parse() - of exactly WGX_KEY_TEXT_LEN characters; 0, or -EINVAL with @key wiped */
int wgx_key_parse(const char *text, uint8_t key[WGX_KEY_LEN]);
/** wgx_key_format() - the caller wipes @text where the key is a secret */
void wgx_key_format(const uint8_t key[WGX_KEY_LEN], char text[WGX_KEY_TEXT_SIZE]);

#endif
