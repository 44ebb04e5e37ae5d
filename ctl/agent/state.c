/* SPDX-License-Identifier: MIT */
#include "agent/state.h"

#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/file.h"
#include "cli/secbuf.h"
#include "device/secmem.h"
#include "proto/key_text.h"

#define KEY "key"
#define NEXT_KEY "next-key"
#define PREVIOUS "previous-public-key"
#define NODES "nodes.json"
#define NODES_MAX (64u << 20)

/* ---- keys ---- */

static int write_key(const struct wgx_state *s, const char *name, const uint8_t *key)
{
	struct wgx_secbuf b = {0};
	int err;

	wgx_secbuf_base64(&b, key);
	wgx_secbuf_printf(&b, "\n");
	err = b.failed ? -ENOMEM : wgx_file_write(s->dir, name, b.data, b.len, 0600);
	wgx_secbuf_free(&b);
	return err;
}

/* Return: 0; -ENOENT: there is none; -EBADMSG: it is no key */
static int read_key(const struct wgx_state *s, const char *name, uint8_t key[WGX_KEY_LEN])
{
	char text[WGX_KEY_TEXT_SIZE + 1];
	ssize_t n = wgx_file_read(s->dir, name, text, sizeof(text));
	int err = n < 0 ? (int)n : 0;

	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	if (!err && wgx_key_parse(text, key))
		err = -EBADMSG;
	sodium_memzero(text, sizeof(text));
	return err;
}

static uint8_t *new_key(void)
{
	uint8_t *key = wgx_secmem_alloc(WGX_KEY_LEN);

	if (!key)
		return NULL;
	randombytes_buf(key, WGX_KEY_LEN);
	key[0] &= 248; /* RFC 7748, 5 */
	key[31] = (uint8_t)((key[31] & 127) | 64);
	return key;
}

/* @ret: in locked memory. Return: 0, -ENOENT, or another negative errno */
static int load_key(const struct wgx_state *s, const char *name, uint8_t **ret,
		    uint8_t public_key[WGX_KEY_LEN])
{
	uint8_t *key = wgx_secmem_alloc(WGX_KEY_LEN);
	int err = key ? read_key(s, name, key) : -ENOMEM;

	if (!err && crypto_scalarmult_base(public_key, key))
		err = -EBADMSG;
	if (err)
		wgx_secmem_free(key, WGX_KEY_LEN);
	else
		*ret = key;
	return err;
}

static int make_key(const struct wgx_state *s, const char *name, uint8_t **ret,
		    uint8_t public_key[WGX_KEY_LEN])
{
	uint8_t *key = new_key();
	int err = key ? write_key(s, name, key) : -ENOMEM;

	if (!err && crypto_scalarmult_base(public_key, key))
		err = -EIO;
	if (err)
		wgx_secmem_free(key, WGX_KEY_LEN);
	else
		*ret = key;
	return err;
}

int wgx_state_next_key(struct wgx_state *s)
{
	return s->next_key ? 0 : make_key(s, NEXT_KEY, &s->next_key, s->next_public_key);
}

/* A kill between the steps: the next key is the key already, and still there to be the next; see load_keys(). */
int wgx_state_switch(struct wgx_state *s)
{
	char key[WGX_KEY_TEXT_SIZE], text[WGX_KEY_TEXT_SIZE + 1];
	int err;

	if (!s->next_key)
		return -ENOENT;
	wgx_key_format(s->public_key, key);
	snprintf(text, sizeof(text), "%s\n", key);
	err = wgx_file_write(s->dir, PREVIOUS, text, strlen(text), 0600);
	if (!err)
		err = write_key(s, KEY, s->next_key);
	if (err)
		return err;
	(void)unlinkat(s->dir, NEXT_KEY, 0);
	wgx_secmem_free(s->key, WGX_KEY_LEN);
	memcpy(s->previous, s->public_key, sizeof(s->previous));
	memcpy(s->public_key, s->next_public_key, sizeof(s->public_key));
	s->key = s->next_key;
	s->next_key = NULL;
	s->has_previous = true;
	return 0;
}

int wgx_state_forget_previous(struct wgx_state *s)
{
	s->has_previous = false;
	return unlinkat(s->dir, PREVIOUS, 0) && errno != ENOENT ? -errno : 0;
}

static int load_keys(struct wgx_state *s, bool read_only)
{
	int err = load_key(s, KEY, &s->key, s->public_key);

	if (err == -ENOENT && read_only)
		return 0;
	if (err == -ENOENT)
		err = make_key(s, KEY, &s->key, s->public_key);
	if (err)
		return err;
	err = load_key(s, NEXT_KEY, &s->next_key, s->next_public_key);
	if (!err && !memcmp(s->next_public_key, s->public_key, WGX_KEY_LEN)) {
		if (!read_only)
			(void)unlinkat(s->dir, NEXT_KEY, 0);
		wgx_secmem_free(s->next_key, WGX_KEY_LEN);
		s->next_key = NULL;
	}
	if (err && err != -ENOENT)
		return err;
	err = read_key(s, PREVIOUS, s->previous);
	/* a kill before the switch was made */
	s->has_previous = !err && memcmp(s->previous, s->public_key, WGX_KEY_LEN) != 0;
	return err == -ENOENT ? 0 : err;
}

/* ---- the directory ---- */

static int make_directories(const char *path)
{
	char copy[PATH_MAX];

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return -ENAMETOOLONG;
	for (char *p = copy + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(copy, 0755) && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(copy, 0700) && errno != EEXIST ? -errno : 0;
}

static int open_directory(const char *path)
{
	int err = make_directories(path), fd;

	if (err)
		return err;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(fd);
	return err;
}

int wgx_state_open(const char *path, bool read_only, struct wgx_state *ret, char *error,
		   size_t size)
{
	struct wgx_state s = {.dir = read_only ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
					       : open_directory(path)};
	bool none = read_only && s.dir < 0;
	int err = none ? 0 : s.dir < 0 ? s.dir : load_keys(&s, read_only);

	if (!err) {
		*ret = s;
		return 0;
	}
	if (err == -EBUSY)
		snprintf(error, size, "%s: another agent is at work with it", path);
	else if (err == -EBADMSG)
		snprintf(error, size, "%s: a key in there is not 44 characters of base64", path);
	else
		snprintf(error, size, "%s: %s", path, strerror(-err));
	if (s.dir >= 0)
		wgx_state_close(&s);
	return err;
}

void wgx_state_close(struct wgx_state *s)
{
	if (s->dir >= 0)
		close(s->dir);
	wgx_secmem_free(s->key, WGX_KEY_LEN);
	wgx_secmem_free(s->next_key, WGX_KEY_LEN);
	*s = (struct wgx_state){.dir = -1};
}

/* ---- the nodes ---- */

static int by_turn(const void *a, const void *b)
{
	const struct wgx_member *x = *(struct wgx_member *const *)a,
				*y = *(struct wgx_member *const *)b;

	return x->key_order < y->key_order ? -1 : x->key_order > y->key_order;
}

static json_t *nodes_json(struct wgx_member *const *items, size_t n, const struct wgx_node *self)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (!items[i]->problem[0] || items[i]->node.has_key)
			json_array_append_new(list, wgx_node_json(&items[i]->node));
	return json_pack("{s:i, s:o, s:o}", "version", 1, "self", wgx_node_json(self), "nodes",
			 list);
}

int wgx_state_save(const struct wgx_state *s, const struct wgx_members *m,
		   const struct wgx_node *self)
{
	struct wgx_member **sorted = malloc((m->n + 1) * sizeof(struct wgx_member *));
	json_t *o;
	int err;

	if (!sorted)
		return -ENOMEM;
	if (m->n)
		memcpy(sorted, m->items, m->n * sizeof(struct wgx_member *));
	qsort(sorted, m->n, sizeof(struct wgx_member *), by_turn);
	o = nodes_json(sorted, m->n, self);
	err = o ? wgx_file_write_json(s->dir, NODES, o, 0600) : -ENOMEM;
	json_decref(o);
	free(sorted);
	return err;
}

static int take_nodes(const json_t *list, struct wgx_members *m)
{
	const json_t *item;
	char error[256];
	size_t i;
	int n = 0;

	json_array_foreach(list, i, item) {
		struct wgx_node node;

		if (wgx_node_parse(item, &node, error, sizeof(error)))
			continue;
		n += wgx_members_upsert(m, &node) > 0;
		wgx_node_free(&node);
	}
	return n;
}

static void take_self(const json_t *o, struct wgx_node *self)
{
	struct wgx_node found;
	char error[256];

	if (self->n_cidrs || wgx_node_parse(o, &found, error, sizeof(error)))
		return;
	self->n_cidrs = found.n_cidrs;
	memcpy(self->cidrs, found.cidrs, sizeof(self->cidrs));
	wgx_node_free(&found);
}

/* For wgx_file_read(): a byte more than the file is long, or than we take */
static size_t room_for_nodes(const struct wgx_state *s)
{
	struct stat st;

	if (fstatat(s->dir, NODES, &st, AT_SYMLINK_NOFOLLOW))
		return 1;
	return st.st_size < NODES_MAX ? (size_t)st.st_size + 1 : NODES_MAX;
}

int wgx_state_load(const struct wgx_state *s, struct wgx_members *m, struct wgx_node *self)
{
	size_t room = s->dir < 0 ? 0 : room_for_nodes(s);
	char *text = room ? malloc(room) : NULL;
	ssize_t len = text ? wgx_file_read(s->dir, NODES, text, room) : -ENOMEM;
	json_t *o = len > 0 ? json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	int n = s->dir >= 0 && len < 0 && len != -ENOENT ? (int)len : 0;

	if (o) {
		n = take_nodes(json_object_get(o, "nodes"), m);
		take_self(json_object_get(o, "self"), self);
	}
	json_decref(o);
	free(text);
	return n;
}
