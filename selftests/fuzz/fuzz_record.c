/* SPDX-License-Identifier: MIT */
/*
 * A node's file in the directory of the file registry, with anything in it. Checked: it is told as a node or refused,
 * once; a node reads back as the same; what is said of a bad one can be shown on a terminal.
 */
#include "fuzz/fuzz.h"

#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/registry_file.c"

static struct file_registry f;
static struct wgx_registry_events events;
static unsigned int told;

static void on_upsert(void *arg, const struct wgx_node *n)
{
	struct wgx_node again;
	char error[256];
	json_t *o = wgx_node_json(n);

	told++;
	assert_string_equal(n->name, "node-b");
	assert_true(n->n_endpoints <= WGX_NODE_ENDPOINTS && n->n_cidrs <= WGX_NODE_CIDRS &&
		    n->n_seen <= WGX_NODE_SEEN);
	assert_non_null(o);
	assert_int_equal(wgx_node_parse(o, &again, error, sizeof(error)), 0);
	assert_true(wgx_node_equal(&again, n));
	wgx_node_free(&again);
	json_decref(o);
}

static void on_refuse(void *arg, const char *name, const char *problem)
{
	told++;
	assert_string_equal(name, "node-b");
	assert_true(*problem);
	for (; *problem; problem++)
		assert_true((unsigned char)*problem >= ' ' && *problem != 0x7f);
}

static void on_remove(void *arg, const char *name)
{
	assert_true(false);
}

static void remove_directory(void)
{
	(void)unlinkat(f.dir, "node-b.json", 0);
	(void)rmdir(f.path);
}

static void fuzz_begin(void)
{
	static char path[] = "/tmp/wgx-fuzz-XXXXXX";

	assert_true(sodium_init() >= 0);
	assert_non_null(mkdtemp(path));
	events = (struct wgx_registry_events){
		.upsert = on_upsert, .refuse = on_refuse, .remove = on_remove};
	f.path = path;
	f.base.events = &events;
	f.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f.text = malloc(RECORD_MAX);
	assert_true(f.dir >= 0 && f.text);
	atexit(remove_directory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = openat(f.dir, "node-b.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
	told = 0;
	read_record(&f, "node-b.json", "node-b");
	assert_int_equal(told, 1);
	return 0;
}
