/* SPDX-License-Identifier: MIT */
/* Keys that commands read. */
#ifndef WGX_CLI_KEY_H
#define WGX_CLI_KEY_H

#include <stdbool.h>
#include <stdint.h>
#include <wgx/wire.h>

/**
 * wgx_key_read() - a key in base64, with nothing behind it but white space
 * @path: of the file that it stands in; NULL: standard input
 *
 * The caller wipes @key. Return: an exit status; the user has been told of a failure, without the key.
 */
int wgx_key_read(const char *path, uint8_t key[WGX_KEY_LEN]);

/**
 * wgx_key_print() - @label, the key in base64 and a newline on standard output, past stdio's buffers
 * Return: an exit status; the user has been told of a failure.
 */
int wgx_key_print(const char *label, const uint8_t key[WGX_KEY_LEN]);

/** wgx_key_generate() - a new key on standard output; @clamp: for Curve25519. An exit status, as above. */
int wgx_key_generate(bool clamp);
/** wgx_key_derive() - a private key from standard input, its public key on standard output; as above */
int wgx_key_derive(void);

#endif
