/* SPDX-License-Identifier: MIT */
/* Configuration files in wg-quick's format, wgx.conf(5). Checked: what is accepted is within its ranges. */
#include "fuzz/fuzz.h"
#include "quick/conf.h"

#include <sodium.h>
#include "device/secmem.h"

static void fuzz_begin(void)
{
	assert_true(sodium_init() >= 0);
}

static void check_prefixes(const struct wgx_conf_prefixes *p)
{
	assert_true(p->n <= p->room);
	for (size_t i = 0; i < p->n; i++) {
		assert_true(p->items[i].family == AF_INET || p->items[i].family == AF_INET6);
		assert_true(p->items[i].cidr <= (p->items[i].family == AF_INET ? 32 : 128));
	}
}

static void check(const struct wgx_conf *c)
{
	check_prefixes(&c->addresses);
	check_prefixes(&c->allowed);
	for (size_t i = 0; i < c->n_peers; i++) {
		const struct wgx_conf_peer *p = &c->peers[i];

		assert_true(p->has_public_key);
		assert_true(p->first_prefix + p->n_prefixes <= c->allowed.n);
		if (p->host)
			assert_true(p->host[0] != '\0');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wgx_conf_error error = {0};
	struct wgx_conf *conf = NULL;
	char *text = malloc(size + 1);

	assert_non_null(text);
	memcpy(text, data, size);
	text[size] = '\0';
	if (!wgx_conf_parse(text, size, &conf, &error)) {
		assert_non_null(conf);
		check(conf);
		wgx_conf_free(conf);
	} else {
		assert_null(conf);
		assert_true(strnlen(error.text, sizeof(error.text)) > 0);
		assert_true(strnlen(error.text, sizeof(error.text)) < sizeof(error.text));
	}
	free(text);
	assert_int_equal(wgx_secmem_used(), 0);
	return 0;
}
