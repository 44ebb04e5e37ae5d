/* SPDX-License-Identifier: MIT */
/*
 * A node's file in the directory of the file registry, with anything in it. Where the first byte is 0 the second one says
 * what else there is, see enum what. Checked: it is told as a node or refused, once; a node reads back as the same; what is
 * said of a bad one can be shown on a terminal; no file's name is a node's but one that a node can have; and this node's own
 * record is put right.
 */
#include "fuzz/fuzz.h"

#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/registry_file.c"

enum what {
	A_FILE, /* with the rest in it */
	NOTHING,
	A_DIRECTORY,
	A_LINK, /* to the rest */
	A_LONG_FILE, /* that ends with the rest */
	A_NAME, /* of a file */
	OUR_OWN, /* that somebody has changed */
	WHATS,
};

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

static bool removed;

static void on_remove(void *arg, const char *name)
{
	told++;
	removed = true;
	assert_string_equal(name, "node-b");
}

static void remove_record(void)
{
	if (unlinkat(f.dir, "node-b.json", 0) && errno == EISDIR)
		(void)unlinkat(f.dir, "node-b.json", AT_REMOVEDIR);
}

static void remove_directory(void)
{
	remove_record();
	(void)rmdir(f.path);
}

static void fuzz_begin(void)
{
	static char path[] = "/dev/shm/wgx-fuzz-XXXXXX";

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

static void put(const uint8_t *p, size_t len, off_t at)
{
	int fd = openat(f.dir, "node-b.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, p, len, at), len);
	close(fd);
}

static void put_link(const uint8_t *p, size_t len)
{
	char target[256] = "x";

	memcpy(target, p, len < sizeof(target) ? len : sizeof(target) - 1);
	if (!*target)
		*target = 'x';
	assert_int_equal(symlinkat(target, f.dir, "node-b.json"), 0);
}

static void check_name(const uint8_t *p, size_t len)
{
	char file[300] = "", name[WGX_NODE_NAME_MAX + 1], again[sizeof(name) + sizeof(ENDING)];

	memcpy(file, p, len < sizeof(file) ? len : sizeof(file) - 1);
	if (!name_of(file, name))
		return;
	assert_null(wgx_node_name_problem(name));
	assert_null(strchr(name, '/'));
	snprintf(again, sizeof(again), "%s" ENDING, name);
	assert_string_equal(again, file);
}

/* What is there now is what was published. */
static void check_defended(void)
{
	ssize_t len = wgx_file_read(f.dir, "node-b.json", f.text, RECORD_MAX);
	json_t *o = len > 0 ? json_loadb(f.text, (size_t)len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	char problem[256];
	struct wgx_node n;

	assert_int_equal(wgx_node_parse(o, &n, problem, sizeof(problem)), 0);
	assert_true(wgx_node_equal(&n, &f.self));
	wgx_node_free(&n);
	json_decref(o);
}

/* As one that was published is kept, with what @p has if that is a record of our own, so that some are as they should be */
static void publish_some(const uint8_t *p, size_t len)
{
	json_t *o = json_loadb((const char *)p, len, JSON_REJECT_DUPLICATES, NULL);
	char problem[256];
	struct wgx_node n;

	if (wgx_node_parse(o, &n, problem, sizeof(problem)))
		n = (struct wgx_node){.name = ""};
	wgx_node_set_name(&n, "node-b");
	n.n_endpoints -= n.n_endpoints && len % 2;
	assert_int_equal(wgx_node_copy(&f.self, &n), 0);
	f.published = true;
	wgx_node_free(&n);
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = {data, size};
	enum what what = A_FILE;

	if (size > 1 && !*data) {
		(void)take_u8(&b);
		what = take_u8(&b) % WHATS;
	}
	remove_record();
	if (what == A_NAME) {
		check_name(b.p, b.left);
		return 0;
	}
	if (what == A_DIRECTORY)
		assert_int_equal(mkdirat(f.dir, "node-b.json", 0700), 0);
	else if (what == A_LINK)
		put_link(b.p, b.left);
	else if (what != NOTHING)
		put(b.p, b.left, what == A_LONG_FILE ? RECORD_MAX : 0);
	if (what == OUR_OWN)
		publish_some(b.p, b.left);
	told = removed = 0;
	read_record(&f, "node-b.json", "node-b");
	assert_int_equal(told, 1);
	assert_int_equal(removed, what == NOTHING);
	if (what == OUR_OWN)
		check_defended();
	wgx_node_free(&f.self);
	f.published = false;
	return 0;
}
