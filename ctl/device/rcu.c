/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include "device/rcu.h"

#ifdef WGX_TSAN

char wgx_rcu_order;

const char *__tsan_default_suppressions(void);

/* liburcu is not instrumented: what it allocates and frees itself looks unordered. Our callbacks are not
 * covered by this. */
const char *__tsan_default_suppressions(void)
{
	return "called_from_lib:liburcu-qsbr.so\ncalled_from_lib:liburcu-cds.so\n";
}

/* ThreadSanitizer does not see liburcu's barriers: the callback has to be told of them before it runs. */
struct deferred {
	struct rcu_head rcu;
	struct rcu_head *head;
	void (*fn)(struct rcu_head *head);
};

static void run_deferred(struct rcu_head *rcu)
{
	struct deferred *d = (struct deferred *)rcu;

	wgx_rcu_tsan_acquire();
	__tsan_acquire(d->head);
	d->fn(d->head);
	wgx_rcu_tsan_release(); /* to wgx_rcu_barrier() */
	free(d);
}

void wgx_rcu_call(struct rcu_head *head, void (*fn)(struct rcu_head *head))
{
	struct deferred *d = malloc(sizeof(*d));

	if (!d)
		abort();
	d->head = head;
	d->fn = fn;
	wgx_rcu_tsan_release();
	__tsan_release(head);
	urcu_qsbr_call_rcu(&d->rcu, run_deferred);
}

#else

void wgx_rcu_call(struct rcu_head *head, void (*fn)(struct rcu_head *head))
{
	urcu_qsbr_call_rcu(head, fn);
}

#endif

void wgx_rcu_synchronize(void)
{
	wgx_rcu_tsan_release();
	urcu_qsbr_synchronize_rcu();
	wgx_rcu_tsan_acquire();
}

void wgx_rcu_barrier(void)
{
	wgx_rcu_tsan_release();
	urcu_qsbr_barrier();
	wgx_rcu_tsan_acquire();
}
