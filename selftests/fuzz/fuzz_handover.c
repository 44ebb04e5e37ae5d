/* SPDX-License-Identifier: MIT */
/*
 * The model of an interface as another process hands it over. Checked: the mirrors hold what the model holds, and all
 * memory comes back, whatever was refused where; and what is taken can be written, taken again and written the same.
 */
#define FAKE_BUCKETS 1024 /* an input has few prefixes */
#include "fuzz/fuzz.h"
#include "fuzz/dh_memo.h"
#include "fuzz/rcu_now.h"
#include "unit/model_bytes.h"

#include "proto/codec.h"

static void fuzz_begin(void)
{
	assert_int_equal(fake_setup(NULL), 0);
}

static bool read_model(struct fake *f, uint8_t *bytes, size_t size)
{
	struct wgx_codec c = {.p = bytes, .size = size, .reading = true};

	wgx_device_lock(f->dev);
	wgx_device_codec(f->dev, &c);
	wgx_device_commit(f->dev);
	fake_check(f);
	return !c.failed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	struct wgx_codec first, second;
	struct fake *f = fake_create("wg0");
	size_t len;
	uint8_t *copy = take_copy(&in, size, &len);
	bool taken = read_model(f, copy, len);

	free(copy);
	if (taken) {
		first = write_model(f);
		fake_destroy(f); /* its indices are free again */
		f = fake_create("wg0");
		assert_true(read_model(f, first.p, first.size));
		second = write_model(f);
		assert_int_equal(first.size, second.size);
		assert_memory_equal(first.p, second.p, first.size);
		free(first.p);
		free(second.p);
	}
	fake_destroy(f);
	return 0;
}
