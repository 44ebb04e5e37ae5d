/* SPDX-License-Identifier: MIT */
/* wgx genkey, genpsk, pubkey: the same input and output as wg's commands of these names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/cli.h"
#include "cli/key.h"
#include "cli/secbuf.h"
#include "proto/key_text.h"

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

int wgx_key_print(const char *label, const uint8_t key[WGX_KEY_LEN])
{
	struct wgx_secbuf b = {0};
	int err;

	wgx_secbuf_printf(&b, "%s", label);
	wgx_secbuf_base64(&b, key);
	wgx_secbuf_printf(&b, "\n");
	fflush(stdout);
	err = wgx_secbuf_write(&b, STDOUT_FILENO);
	wgx_secbuf_free(&b);
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

/* ---- reading ---- */

struct source {
	int fd;
	const char *in, *name; /* for messages: "in", "FILE" */
};

static int cannot_read(const struct source *s, int err)
{
	return wgx_fail("cannot read the key %s %s: %s", s->in, s->name, strerror(-err));
}

/* What follows the key may be white space and NULs only. */
static int check_rest(const struct source *s)
{
	char c;
	ssize_t n;

	while ((n = read_full(s->fd, &c, 1)) == 1)
		if (c && !strchr(" \t\n\v\f\r", c))
			return wgx_fail("characters follow the key %s %s", s->in, s->name);
	return n ? cannot_read(s, (int)n) : WGX_EXIT_OK;
}

static int read_key(const struct source *s, uint8_t key[WGX_KEY_LEN])
{
	char text[WGX_KEY_TEXT_SIZE] = "";
	ssize_t n = read_full(s->fd, text, WGX_KEY_TEXT_LEN);
	int status = WGX_EXIT_OK;

	if (n < 0)
		return cannot_read(s, (int)n);
	if (wgx_key_parse(text, key))
		status = wgx_fail("the key %s %s is not 44 characters of base64", s->in, s->name);
	sodium_memzero(text, sizeof(text));
	return status ? status : check_rest(s);
}

int wgx_key_read(const char *path, uint8_t key[WGX_KEY_LEN])
{
	struct source s = {.fd = STDIN_FILENO, .in = "on", .name = "standard input"};
	int status;

	if (!path)
		return read_key(&s, key);
	s = (struct source){.fd = open(path, O_RDONLY | O_CLOEXEC), .in = "in", .name = path};
	if (s.fd < 0)
		return cannot_read(&s, -errno);
	status = read_key(&s, key);
	close(s.fd);
	return status;
}

/* ---- the commands ---- */

static int init(void)
{
	prctl(PR_SET_DUMPABLE, 0); /* keys are not for core dumps */
	return sodium_init() < 0 ? wgx_fail("libsodium does not initialise") : WGX_EXIT_OK;
}

int wgx_key_generate(bool clamp)
{
	unsigned char key[WGX_KEY_LEN];
	int status = init();

	if (status)
		return status;
	warn_if_world_accessible();
	randombytes_buf(key, sizeof(key));
	if (clamp) { /* RFC 7748, 5 */
		key[0] &= 248;
		key[31] = (key[31] & 127) | 64;
	}
	status = wgx_key_print("", key);
	sodium_memzero(key, sizeof(key));
	return status;
}

int wgx_key_derive(void)
{
	unsigned char key[WGX_KEY_LEN], public_key[WGX_KEY_LEN];
	int status = init();

	if (status)
		return status;
	status = wgx_key_read(NULL, key);
	if (!status && crypto_scalarmult_base(public_key, key))
		status = wgx_fail("the key has no public key");
	sodium_memzero(key, sizeof(key));
	return status ? status : wgx_key_print("", public_key);
}

static int no_arguments(int argc, char **argv)
{
	return argc > 1 ? wgx_usage_error(argv[0], "takes no argument: '%s'", argv[1])
			: WGX_EXIT_OK;
}

int wgx_cmd_genkey(int argc, char **argv)
{
	int status = no_arguments(argc, argv);

	return status ? status : wgx_key_generate(true);
}

int wgx_cmd_genpsk(int argc, char **argv)
{
	int status = no_arguments(argc, argv);

	return status ? status : wgx_key_generate(false);
}

int wgx_cmd_pubkey(int argc, char **argv)
{
	int status = no_arguments(argc, argv);

	return status ? status : wgx_key_derive();
}
