/* SPDX-License-Identifier: MIT */
#include "path/credit.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t map_bytes(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = sizeof(struct wgx_credit) * WGX_CREDIT_ENTRIES;

	return (size + page - 1) / page * page;
}

int wgx_credit_open(struct wgx_credit_view *v, int fd, unsigned int queues)
{
	void *p = mmap(NULL, map_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*v = (struct wgx_credit_view){.map = p, .queues = queues};
	return 0;
}

void wgx_credit_close(struct wgx_credit_view *v)
{
	if (v->map)
		munmap(v->map, map_bytes());
	v->map = NULL;
}

static uint64_t produced(const struct wgx_credit *c)
{
	return __atomic_load_n(&c->produced, __ATOMIC_RELAXED);
}

static uint64_t consumed(const struct wgx_credit *c)
{
	return __atomic_load_n(&c->consumed, __ATOMIC_RELAXED);
}

static struct wgx_credit *total_of(const struct wgx_credit_view *v, unsigned int bucket)
{
	return &v->map[WGX_CREDIT_TOTAL + WGX_CREDIT_QUEUE(bucket, v->queues)];
}

/* From @was to @now, unless another thread has been faster. One queue has one writer, which needs no locked instruction. */
static bool advance(const struct wgx_credit_view *v, struct wgx_credit *c, __u64 was, uint64_t now)
{
	if (v->queues > 1)
		return __atomic_compare_exchange_n(&c->consumed, &was, now, false, __ATOMIC_RELAXED,
						   __ATOMIC_RELAXED);
	__atomic_store_n(&c->consumed, now, __ATOMIC_RELAXED);
	return true;
}

static void give_back_total(const struct wgx_credit_view *v, struct wgx_credit *t, uint64_t n)
{
	if (v->queues > 1)
		__atomic_fetch_add(&t->consumed, n, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&t->consumed, t->consumed + n, __ATOMIC_RELAXED);
}

void wgx_credit_consume(struct wgx_credit_view *v, uint16_t stamped, uint16_t seq)
{
	unsigned int bucket = stamped % WGX_CREDIT_BUCKETS;
	struct wgx_credit *c = &v->map[bucket];
	uint64_t was;
	uint16_t ahead;

	do {
		was = consumed(c);
		ahead = (uint16_t)(seq - (uint16_t)was);
		/* a late frame (two processors sent on one flow), or a stamp that claims what was not produced */
		if (!ahead || ahead > produced(c) - was)
			return;
	} while (!advance(v, c, was, was + ahead));
	give_back_total(v, total_of(v, bucket), ahead);
}

bool wgx_credit_outstanding(const struct wgx_credit_view *v, unsigned int queue)
{
	const struct wgx_credit *t = &v->map[WGX_CREDIT_TOTAL + queue];

	return produced(t) != consumed(t);
}

/* What has waited since the last time without a new frame; return: descriptors */
static uint64_t heal_bucket(struct wgx_credit_view *v, unsigned int bucket)
{
	struct wgx_credit *c = &v->map[bucket];
	uint64_t was = consumed(c), p = produced(c), healed = 0;

	if (p != was && p == v->seen[bucket] && advance(v, c, was, p))
		healed = p - was;
	v->seen[bucket] = p;
	return healed;
}

uint64_t wgx_credit_heal(struct wgx_credit_view *v, unsigned int queue, uint64_t boot)
{
	unsigned int step = v->queues ?: 1;
	uint64_t healed = 0;

	if (boot - v->healed_at[queue] < WGX_CREDIT_HEAL_NS || !wgx_credit_outstanding(v, queue))
		return 0;
	v->healed_at[queue] = boot;
	for (unsigned int i = queue; i < WGX_CREDIT_BUCKETS; i += step)
		healed += heal_bucket(v, i);
	give_back_total(v, &v->map[WGX_CREDIT_TOTAL + queue], healed);
	return healed;
}
