/* SPDX-License-Identifier: MIT */
/*
 * kubeconfig files; behind a first byte of 0, token files. Checked: an error has a text and leaves nothing; what is accepted has a server and its host, and
 * nothing that would break out of a line of HTTP.
 */
#include "fuzz/fuzz.h"

#include <sodium.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/kubeconfig.h"

static int file;
static char path[64];

static void fuzz_begin(void)
{
	assert_true(sodium_init() >= 0);
	file = memfd_create("kubeconfig", 0);
	assert_true(file >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
}

static void check_line(const char *text)
{
	assert_true(*text);
	for (; *text; text++)
		assert_true((unsigned char)*text >= ' ' && *text != 0x7f);
}

/* What is resolved is what the request goes to: the host is the server's, whole. */
static void check_host(const struct wgx_kube *k)
{
	const char *at = k->server + 8;
	bool bracket = *at == '[';

	at += bracket;
	assert_int_equal(strncmp(at, k->host, strlen(k->host)), 0);
	at += strlen(k->host);
	assert_true(bracket ? *at == ']' : !*at || strchr(":/?#", *at));
	assert_null(memchr(k->server + 8, '@', strcspn(k->server + 8, "/?#")));
}

static void check(const struct wgx_kube *k)
{
	const char *const files[] = {k->ca_file, k->cert_file, k->key_file, k->token_file};

	assert_int_equal(strncmp(k->server, "https://", 8), 0);
	check_line(k->server + 8);
	assert_int_not_equal(k->server[strlen(k->server) - 1], '/');
	check_line(k->host);
	check_host(k);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (files[i])
			assert_int_equal(files[i][0], '/');
	if (k->token)
		check_line(k->token);
}

static void check_token_file(void)
{
	char *token = wgx_kube_read_token(path);

	if (token)
		check_line(token);
	free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wgx_kube k = {0};
	char error[256] = "";

	assert_int_equal(ftruncate(file, 0), 0);
	if (size && !*data) {
		assert_int_equal(pwrite(file, data + 1, size - 1, 0), size - 1);
		check_token_file();
		return 0;
	}
	assert_int_equal(pwrite(file, data, size, 0), size);
	if (wgx_kube_load(path, &k, error, sizeof(error))) {
		assert_true(strlen(error) > 0);
		assert_null(k.server);
		return 0;
	}
	check(&k);
	wgx_kube_free(&k);
	assert_null(k.server);
	return 0;
}
