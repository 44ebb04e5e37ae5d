/* SPDX-License-Identifier: MIT */
#include "daemon/mapqueue.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "daemon/log.h"

#define ROOM_MIN 64 /* changes that there is always room for */
#define BATCH 256 /* in one system call; more are hardly faster */
#define KEY_MAX 20
#define VALUE_MAX 64
/* Maps that are not preallocated get their memory in the background, and run out of it for a moment. */
#define NO_MEMORY_TRIES 10
#define NO_MEMORY_WAIT_NS 1000000

struct note {
	uint32_t order;
	uint32_t deletes; /* 0 or 1 */
};

/* What one system call does. */
struct batch {
	const struct wgx_mapqueue *q;
	bool deletes;
	bool in_vain; /* waiting for memory was */
	int err; /* of the last entry that was not taken */
	uint32_t n;
	uint8_t keys[BATCH * KEY_MAX], values[BATCH * VALUE_MAX];
};

/* ---- gathering ---- */

static size_t change_size(const struct wgx_mapqueue *q)
{
	return q->key_size + q->value_size + sizeof(struct note);
}

static uint8_t *change_at(const struct wgx_mapqueue *q, uint32_t i)
{
	return q->changes + i * change_size(q);
}

static struct note *note_of(const struct wgx_mapqueue *q, const uint8_t *change)
{
	return (struct note *)(change + q->key_size + q->value_size);
}

static int resize(struct wgx_mapqueue *q, uint32_t room)
{
	uint8_t *changes = realloc(q->changes, room * change_size(q));

	if (!changes)
		return -ENOMEM;
	q->changes = changes;
	q->room = room;
	return 0;
}

int wgx_mapqueue_init(struct wgx_mapqueue *q, int fd, const char *name, uint32_t key_size,
		      uint32_t value_size)
{
	*q = (struct wgx_mapqueue){
		.fd = fd, .name = name, .key_size = key_size, .value_size = value_size};
	return resize(q, ROOM_MIN);
}

void wgx_mapqueue_free(struct wgx_mapqueue *q)
{
	free(q->changes);
	*q = (struct wgx_mapqueue){.n = 0};
}

/* ---- handing over ---- */

static int change_one(const struct batch *b, uint32_t i)
{
	const uint8_t *key = b->keys + (size_t)i * b->q->key_size,
		      *value = b->values + (size_t)i * b->q->value_size;
	int err = b->deletes ? bpf_map_delete_elem(b->q->fd, key)
			     : bpf_map_update_elem(b->q->fd, key, value, BPF_ANY);

	return err ? -errno : 0;
}

static void change_by_itself(struct batch *b, uint32_t i)
{
	const struct timespec wait = {.tv_nsec = NO_MEMORY_WAIT_NS};
	int err = change_one(b, i);

	for (int tries = 1; err == -ENOMEM && !b->in_vain && tries < NO_MEMORY_TRIES; tries++) {
		nanosleep(&wait, NULL);
		err = change_one(b, i);
	}
	b->in_vain = err == -ENOMEM; /* not once more for each of a million */
	if (err && !(b->deletes && err == -ENOENT))
		b->err = err;
}

/* Return: how many from @i on were changed; not all: the next one is in the way, or batches are not supported. */
static uint32_t change_many(const struct batch *b, uint32_t i)
{
	const uint8_t *keys = b->keys + (size_t)i * b->q->key_size,
		      *values = b->values + (size_t)i * b->q->value_size;
	uint32_t count = b->n - i;
	int err = b->deletes ? bpf_map_delete_batch(b->q->fd, keys, &count, NULL)
			     : bpf_map_update_batch(b->q->fd, keys, values, &count, NULL);

	/* a failure that is no entry's leaves the count as it was */
	return err && count == b->n - i ? 0 : count;
}

static void hand_over(struct batch *b)
{
	uint32_t i = 0;

	while (i < b->n) {
		if (b->n - i > 1)
			i += change_many(b, i);
		if (i < b->n)
			change_by_itself(b, i++);
	}
	b->n = 0;
}

/* Another change of the same key follows. */
static bool is_superseded(const struct wgx_mapqueue *q, uint32_t i)
{
	return i + 1 < q->n && !memcmp(change_at(q, i), change_at(q, i + 1), q->key_size);
}

/* Return: 0, or why one of them was not taken. */
static int hand_all_over(const struct wgx_mapqueue *q, bool deletes)
{
	const uint8_t *change;
	struct batch b;

	b.q = q;
	b.deletes = deletes;
	b.in_vain = false;
	b.err = 0;
	b.n = 0;
	for (uint32_t i = 0; i < q->n; i++) {
		change = change_at(q, i);
		if (note_of(q, change)->deletes != deletes || is_superseded(q, i))
			continue;
		memcpy(b.keys + (size_t)b.n * q->key_size, change, q->key_size);
		memcpy(b.values + (size_t)b.n * q->value_size, change + q->key_size, q->value_size);
		if (++b.n == BATCH)
			hand_over(&b);
	}
	hand_over(&b);
	return b.err;
}

/* By key, and those of one key by age. */
static int compare(const void *x, const void *y, void *arg)
{
	const struct wgx_mapqueue *q = arg;
	int order = memcmp(x, y, q->key_size);

	if (order)
		return order;
	return note_of(q, x)->order < note_of(q, y)->order ? -1 : 1;
}

static void empty(struct wgx_mapqueue *q)
{
	static _Atomic bool warned; /* the control thread and the protocol thread come here */
	int err;

	qsort_r(q->changes, q->n, change_size(q), compare, q);
	err = hand_all_over(q, false);
	(void)hand_all_over(q, true);
	if (err)
		err = hand_all_over(q, false);
	if (err && !atomic_exchange(&warned, true))
		wgx_log(WGX_LOG_ERR, "BPF map %s takes no more: %s", q->name, strerror(-err));
	q->lost |= err != 0;
	q->n = 0;
	if (q->room > ROOM_MIN)
		(void)resize(q, ROOM_MIN);
}

bool wgx_mapqueue_flush(struct wgx_mapqueue *q)
{
	bool lost;

	if (q->n)
		empty(q);
	lost = q->lost;
	q->lost = false;
	return !lost;
}

static uint8_t *add(struct wgx_mapqueue *q, const void *key, bool deletes)
{
	uint8_t *change;

	if (q->n == WGX_MAPQUEUE_MAX || (q->n == q->room && resize(q, 2 * q->room)))
		empty(q);
	change = change_at(q, q->n);
	memcpy(change, key, q->key_size);
	*note_of(q, change) = (struct note){.order = q->n++, .deletes = deletes};
	return change;
}

void wgx_mapqueue_put(struct wgx_mapqueue *q, const void *key, const void *value)
{
	memcpy(add(q, key, false) + q->key_size, value, q->value_size);
}

void wgx_mapqueue_delete(struct wgx_mapqueue *q, const void *key)
{
	memset(add(q, key, true) + q->key_size, 0, q->value_size);
}
