/* SPDX-License-Identifier: MIT */
/* Files in the manner of /etc/ifconfig.wg0, wgx boot's. Checked: an error has a text; lines are in order. */
#include "fuzz/fuzz.h"
#include "netbsd/bootfile.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static int file;
static char path[64];

static void fuzz_begin(void)
{
	file = memfd_create("ifconfig.wg0", 0);
	assert_true(file >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wgx_bootfile f = {0};
	char error[256] = "";
	unsigned int last = 0;

	assert_int_equal(ftruncate(file, 0), 0);
	assert_int_equal(pwrite(file, data, size, 0), size);
	if (wgx_bootfile_read(path, &f, error, sizeof(error))) {
		assert_true(strlen(error) > 0);
		assert_int_equal(f.n, 0);
		return 0;
	}
	for (size_t i = 0; i < f.n; i++) {
		assert_true(f.lines[i].number > last);
		assert_non_null(f.lines[i].text);
		last = f.lines[i].number;
	}
	wgx_bootfile_free(&f);
	return 0;
}
