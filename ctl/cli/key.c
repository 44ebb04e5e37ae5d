/* SPDX-License-Identifier: MIT */
/* wgx genkey, genpsk, pubkey: the same input and output as wg's commands of these names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/cli.h"
#include "wgx/wire.h"

#define KEY_TEXT_LEN 44 /* 32 bytes of base64, with its padding */
#define KEY_TEXT_SIZE sodium_base64_ENCODED_LEN(WGX_KEY_LEN, sodium_base64_VARIANT_ORIGINAL)
_Static_assert(KEY_TEXT_SIZE == KEY_TEXT_LEN + 1, "wg's length of a key");

/* read(2), not stdio: no second copy of a secret in a buffer that nobody wipes. */
static ssize_t read_full(int fd, char *p, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, p + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static int write_full(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int print_key(const unsigned char key[WGX_KEY_LEN])
{
	char text[KEY_TEXT_SIZE];
	int err;

	sodium_bin2base64(text, sizeof(text), key, WGX_KEY_LEN, sodium_base64_VARIANT_ORIGINAL);
	text[KEY_TEXT_LEN] = '\n';
	err = write_full(STDOUT_FILENO, text, sizeof(text));
	sodium_memzero(text, sizeof(text));
	return err ? wgx_fail("cannot write the key: %s", strerror(-err)) : WGX_EXIT_OK;
}

static void warn_if_world_accessible(void)
{
	struct stat st;

	if (!fstat(STDOUT_FILENO, &st) && S_ISREG(st.st_mode) && (st.st_mode & S_IRWXO))
		fputs("Warning: writing to world accessible file.\n"
		      "Consider setting the umask to 077 and trying again.\n",
		      stderr);
}

static int no_arguments(int argc, char **argv)
{
	if (argc > 1)
		return wgx_usage_error(argv[0], "takes no argument: '%s'", argv[1]);
	if (sodium_init() < 0)
		return wgx_fail("libsodium does not initialise");
	return WGX_EXIT_OK;
}

static int generate(int argc, char **argv, bool clamp)
{
	unsigned char key[WGX_KEY_LEN];
	int status = no_arguments(argc, argv);

	if (status)
		return status;
	warn_if_world_accessible();
	randombytes_buf(key, sizeof(key));
	if (clamp) { /* RFC 7748, 5 */
		key[0] &= 248;
		key[31] = (key[31] & 127) | 64;
	}
	status = print_key(key);
	sodium_memzero(key, sizeof(key));
	return status;
}

int wgx_cmd_genkey(int argc, char **argv)
{
	return generate(argc, argv, true);
}

int wgx_cmd_genpsk(int argc, char **argv)
{
	return generate(argc, argv, false);
}

/* What follows the key on stdin may be white space and NULs only. */
static int check_rest(void)
{
	char c;
	ssize_t n;

	while ((n = read_full(STDIN_FILENO, &c, 1)) == 1)
		if (c && !strchr(" \t\n\v\f\r", c))
			return wgx_fail("characters follow the key on standard input");
	return n ? wgx_fail("cannot read the key: %s", strerror((int)-n)) : WGX_EXIT_OK;
}

static int read_key(unsigned char key[WGX_KEY_LEN])
{
	char text[KEY_TEXT_LEN];
	size_t len = 0;
	ssize_t n = read_full(STDIN_FILENO, text, sizeof(text));
	int status = WGX_EXIT_OK;

	if (n < 0)
		return wgx_fail("cannot read the key: %s", strerror((int)-n));
	if (n != sizeof(text) ||
	    sodium_base642bin(key, WGX_KEY_LEN, text, sizeof(text), NULL, &len, NULL,
			      sodium_base64_VARIANT_ORIGINAL) ||
	    len != WGX_KEY_LEN)
		status = wgx_fail("the key on standard input is not 44 characters of base64");
	sodium_memzero(text, sizeof(text));
	return status ? status : check_rest();
}

int wgx_cmd_pubkey(int argc, char **argv)
{
	unsigned char key[WGX_KEY_LEN], public_key[WGX_KEY_LEN];
	int status = no_arguments(argc, argv);

	if (status)
		return status;
	status = read_key(key);
	if (!status && crypto_scalarmult_base(public_key, key))
		status = wgx_fail("the key has no public key");
	sodium_memzero(key, sizeof(key));
	return status ? status : print_key(public_key);
}
