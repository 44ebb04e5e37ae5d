/* SPDX-License-Identifier: MIT */
/*
 * Files that a program of ours has left for another, which may be damaged, or another version's: the agent's keys and
 * nodes, the daemon's mark of timestamps. The first byte says which. Checked: a key is one or refused; nodes are within
 * their bounds, and saved and loaded again the same; a mark that is taken is never set back, and a bad one is put aside.
 */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/state.h"
#include "daemon/log.h"
#include "daemon/stamps.h"
#include "device/secmem.h"

static char path[] = "/dev/shm/wgx-fuzz-XXXXXX";
static int dir = -1;

static const char *const files[] = {"key", "next-key", "previous-public-key", "nodes.json",
				    "stamp"};
#define FILES (sizeof(files) / sizeof(*files))

static void remove_files(void)
{
	static const char *const others[] = {"stamp.bad", "stamp.new", ".nodes.json.new"};

	for (size_t i = 0; i < FILES; i++)
		(void)unlinkat(dir, files[i], 0);
	for (size_t i = 0; i < 3; i++)
		(void)unlinkat(dir, others[i], 0);
}

static void remove_directory(void)
{
	remove_files();
	(void)rmdir(path);
}

static void fuzz_begin(void)
{
	assert_true(sodium_init() >= 0);
	setenv("WGX_LOG", "err", 1);
	wgx_log_init(false);
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	atexit(remove_directory);
}

static void put(const char *name, const void *data, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

/* ---- the agent's ---- */

static void check_members(const struct wgx_members *m, int n)
{
	assert_true(n >= 0 && (size_t)n >= m->n);
	for (size_t i = 0; i < m->n; i++) {
		const struct wgx_node *node = &m->items[i]->node;

		assert_null(wgx_node_name_problem(node->name));
		assert_true(!i || strcmp(m->items[i - 1]->node.name, node->name) < 0);
		assert_true(node->n_endpoints <= WGX_NODE_ENDPOINTS &&
			    node->n_cidrs <= WGX_NODE_CIDRS && node->n_seen <= WGX_NODE_SEEN);
	}
}

static void check_saved(const struct wgx_state *s, const struct wgx_members *m,
			const struct wgx_node *self)
{
	struct wgx_members again = {0};
	struct wgx_node other = {.name = "self"};
	int n;

	assert_int_equal(wgx_state_save(s, m, self), 0);
	n = wgx_state_load(s, &again, &other);
	check_members(&again, n);
	assert_int_equal(again.n, m->n);
	for (size_t i = 0; i < m->n; i++)
		assert_true(wgx_node_equal(&again.items[i]->node, &m->items[i]->node));
	assert_true(wgx_node_same_cidrs(&other, self));
	wgx_members_free(&again);
}

static void read_state(void)
{
	static const uint8_t key[] = "qPr3hVv9n0S5HQm3oRKf0Wl3xVnLGq8KkY9F0Zl6cGk=\n";
	struct wgx_members m = {0};
	struct wgx_node self = {.name = "self"};
	struct wgx_state s;
	char error[256] = "";
	int n;

	if (faccessat(dir, "key", F_OK, 0))
		put("key", key, sizeof(key) - 1);
	/* read-only: else each input would wait for the disk */
	if (wgx_state_open(path, true, &s, error, sizeof(error))) {
		assert_true(*error);
		assert_int_equal(wgx_secmem_used(), 0);
		return;
	}
	assert_non_null(s.key);
	assert_false(s.next_key && !memcmp(s.public_key, s.next_public_key, WGX_KEY_LEN));
	assert_false(s.has_previous && !memcmp(s.public_key, s.previous, WGX_KEY_LEN));
	n = wgx_state_load(&s, &m, &self);
	check_members(&m, n);
	if (n)
		check_saved(&s, &m, &self);
	wgx_members_free(&m);
	wgx_state_close(&s);
	assert_int_equal(wgx_secmem_used(), 0);
}

/* ---- the daemon's ---- */

static void read_stamp(void)
{
	uint8_t floor[WGX_TIMESTAMP_LEN] = {0}, zero[WGX_TIMESTAMP_LEN] = {0};
	struct wgx_stamps s;
	uint64_t seconds = 0;
	int err = wgx_stamps_read(path, &seconds);

	assert_true(!err || err == -EBADMSG);
	wgx_stamps_open(&s, path);
	wgx_stamps_floor(&s, floor);
	assert_int_equal(s.lost, err == -EBADMSG);
	if (err)
		assert_memory_equal(floor, zero, sizeof(floor));
	else
		assert_memory_equal(floor, s.mark, sizeof(floor));
	assert_int_equal(faccessat(dir, "stamp.bad", F_OK, 0), err ? 0 : -1);
	wgx_stamps_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	const char *name = files[take_u8(&in) % FILES];

	remove_files();
	put(name, in.p, in.left);
	if (!strcmp(name, "stamp"))
		read_stamp();
	else
		read_state();
	return 0;
}
