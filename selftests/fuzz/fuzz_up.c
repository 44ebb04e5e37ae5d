/* SPDX-License-Identifier: MIT */
/*
 * The record of what `wgx up` has done, in /run, which may be damaged, or another version's. Checked: it is read whole or
 * as none; a rule is what the file says, or there is none; another interface's is understood as our own is; and what is noted
 * in addition is there when it is read again, unless it is refused.
 */
#include "fuzz/fuzz.h"

#include "daemon/daemon.h"

#define DIR_FD 200
#undef WGX_RUN_DIR
#define WGX_RUN_DIR "/proc/self/fd/200" /* DIR_FD */
#include "quick/record.c"

static char directory[] = "/dev/shm/wgx-fuzz-XXXXXX";
static const char *const files[] = {"1.wg0.up", "1.wg1.up", "1.wg0.lock", ".1.wg0.up.new"};

int wgx_control_path(char *path, size_t size)
{
	snprintf(path, size, WGX_RUN_DIR "/1.sock");
	return 0;
}

static void remove_files(void)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		(void)unlinkat(DIR_FD, files[i], 0);
}

static void remove_directory(void)
{
	remove_files();
	(void)rmdir(directory);
}

static void fuzz_begin(void)
{
	int fd;

	assert_non_null(mkdtemp(directory));
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(dup3(fd, DIR_FD, O_CLOEXEC), DIR_FD);
	close(fd);
	atexit(remove_directory);
}

static void put(const char *name, const uint8_t *data, size_t len)
{
	int fd = openat(DIR_FD, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

/* ---- what the file says ---- */

static void check_rule(const json_t *o, const struct wgx_rule *rule)
{
	assert_int_equal(json_integer_value(json_object_get(o, "family")), rule->family);
	assert_int_equal(json_integer_value(json_object_get(o, "table")), rule->table);
	assert_int_equal(json_integer_value(json_object_get(o, "mark")), rule->mark);
	assert_int_equal(json_is_true(json_object_get(o, "inverted")), rule->inverted);
	assert_int_equal(json_integer_value(json_object_get(o, "suppress_prefixlength")),
			 rule->suppress_prefixlength);
	assert_int_equal(json_integer_value(json_object_get(o, "priority")), rule->priority);
}

/* Return: how many there are */
static size_t check_rules(const struct wgx_record *r)
{
	const json_t *list = json_object_get(r->done, "rules");
	struct wgx_rule rule;
	size_t n = 0;
	int err;

	for (; (err = wgx_record_rule_at(r, n, &rule)) != -ENOENT; n++) {
		assert_true(!err || err == -EBADMSG);
		if (!err)
			check_rule(json_array_get(list, n), &rule);
	}
	assert_int_equal(n, json_array_size(list));
	return n;
}

static void check_shared(const struct wgx_record *r)
{
	static const char *const texts[][2] = {
		{"attached", "eth0"}, {"src_valid_mark", "0"}, {"nft", ""}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(wgx_record_shared(r, texts[i][0], texts[i][1]),
				 wgx_record_says(r, texts[i][0], texts[i][1]));
}

/* ---- more of it ---- */

static const struct wgx_rule a_rule = {
	.family = AF_INET6,
	.table = 51820,
	.mark = UINT32_MAX,
	.inverted = true,
	.suppress_prefixlength = -1,
	.priority = 32764,
};

static void note_more(const char *name)
{
	struct wgx_record r;
	struct wgx_rule last;
	bool attached, ruled;
	size_t n;

	assert_int_equal(wgx_record_open(name, &r), 0);
	n = check_rules(&r);
	attached = !wgx_record_add(&r, "attached", "eth9");
	ruled = !wgx_record_rule(&r, &a_rule);
	assert_int_equal(wgx_record_text(&r, "fwmark", "0xca6c"), 0);
	wgx_record_close(&r);

	assert_int_equal(wgx_record_open(name, &r), 0);
	assert_true(r.found);
	assert_true(!attached || wgx_record_says(&r, "attached", "eth9"));
	assert_string_equal(wgx_record_get(&r, "fwmark"), "0xca6c");
	if (ruled) {
		assert_int_equal(wgx_record_rule_at(&r, n, &last), 0);
		check_rule(json_array_get(json_object_get(r.done, "rules"), n), &a_rule);
		check_rule(json_array_get(json_object_get(r.done, "rules"), n), &last);
	}
	assert_int_equal(wgx_record_delete(&r), 0);
	wgx_record_close(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *whole = json_loadb((const char *)data, size, 0, NULL);
	struct wgx_record r;

	remove_files();
	put("1.wg0.up", data, size);
	put("1.wg1.up", data, size);
	assert_int_equal(wgx_record_open("wg0", &r), 0);
	assert_int_equal(r.found, json_is_object(whole));
	if (r.found)
		assert_true(json_equal(r.done, whole));
	else
		assert_int_equal(json_object_size(r.done), 0);
	(void)check_rules(&r);
	if (r.found)
		check_shared(&r);
	wgx_record_close(&r);
	note_more("wg0");
	assert_int_equal(wgx_record_open("wg0", &r), 0);
	assert_false(r.found);
	wgx_record_close(&r);
	json_decref(whole);
	return 0;
}
