/* SPDX-License-Identifier: MIT */
#include "path/credit.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t map_bytes(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = sizeof(struct wgx_credit) * (WGX_CREDIT_BUCKETS + 1);

	return (size + page - 1) / page * page;
}

int wgx_credit_open(struct wgx_credit_view *v, int fd)
{
	void *p = mmap(NULL, map_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*v = (struct wgx_credit_view){.map = p};
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

/* The seal worker alone writes consumed, so a plain addition is enough. */
static void give_back(struct wgx_credit *c, uint64_t n)
{
	__atomic_store_n(&c->consumed, c->consumed + n, __ATOMIC_RELAXED);
}

void wgx_credit_consume(struct wgx_credit_view *v, uint16_t bucket, uint16_t seq)
{
	struct wgx_credit *c = &v->map[bucket % WGX_CREDIT_BUCKETS];
	uint16_t ahead = (uint16_t)(seq - (uint16_t)c->consumed);

	/* a late frame (two processors sent on one flow), or a stamp that claims what was not produced */
	if (ahead > produced(c) - c->consumed)
		return;
	give_back(c, ahead);
	give_back(&v->map[WGX_CREDIT_TOTAL], ahead);
}

bool wgx_credit_outstanding(const struct wgx_credit_view *v)
{
	const struct wgx_credit *t = &v->map[WGX_CREDIT_TOTAL];

	return produced(t) != t->consumed;
}

uint64_t wgx_credit_heal(struct wgx_credit_view *v, uint64_t boot)
{
	uint64_t healed = 0;

	if (boot - v->healed_at < WGX_CREDIT_HEAL_NS || !wgx_credit_outstanding(v))
		return 0;
	v->healed_at = boot;
	for (unsigned int i = 0; i < WGX_CREDIT_BUCKETS; i++) {
		struct wgx_credit *c = &v->map[i];
		uint64_t p = produced(c);

		if (p != c->consumed && p == v->seen[i]) {
			healed += p - c->consumed;
			give_back(c, p - c->consumed);
		}
		v->seen[i] = p;
	}
	give_back(&v->map[WGX_CREDIT_TOTAL], healed);
	return healed;
}
