/* SPDX-License-Identifier: MIT */
/*
 * The configuration protocol, as whoever may open the socket speaks it: the input is what it sends, at most so many
 * bytes at a time as its first one says. Checked: the mirrors hold what the model holds; what is told by get=1 can
 * be set again and is told the same; and all memory comes back.
 */
#define FAKE_BUCKETS 1024 /* an input has few prefixes */
#include "fuzz/fuzz.h"
#include "fuzz/dh_memo.h"
#include "fuzz/rcu_now.h"
#include "unit/uapi_client.h"

static void fuzz_begin(void)
{
	assert_int_equal(fake_setup(NULL), 0);
}

static bool all_whole_keys(const char *p)
{
	return !strstr(p, "errno=-");
}

/* What one device tells, another can be told. */
static void check_round_trip(struct fake *f)
{
	struct fake *other;
	char *told = dump(f), *end, *request, *again;

	assert_true(all_whole_keys(told));
	/* what get adds to what set takes */
	request = malloc(strlen(told) + 16);
	assert_non_null(request);
	strcpy(request, "set=1\n");
	for (char *line = told; (end = strchr(line, '\n')); line = end + 1) {
		if (!strncmp(line, "last_handshake", 14) || !strncmp(line, "tx_bytes", 8) ||
		    !strncmp(line, "rx_bytes", 8) || !strncmp(line, "errno", 5))
			continue;
		strncat(request, line, (size_t)(end + 1 - line));
	}
	other = fake_create("wg1");
	free(ask(other, request, SIZE_MAX));
	again = dump(other);
	if (strcmp(told, again))
		fail_msg("\n%s\nis after setting\n%s", told, again);
	fake_check(other);
	fake_destroy(other);
	free(again);
	free(request);
	free(told);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake *f;
	struct client c;
	struct text t = {0};

	if (size < 1)
		return 0;
	f = fake_create("wg0");
	c = dial(f);
	talk(&c, (const char *)data + 1, size - 1, data[0] ? data[0] : SIZE_MAX, &t);
	hang_up(&c);
	fake_check(f);
	check_round_trip(f);
	fake_destroy(f);
	free(t.p);
	wgx_rcu_barrier();
	assert_int_equal(wgx_secmem_used(), 0);
	return 0;
}
