/* SPDX-License-Identifier: MIT */
/*
 * Read-copy-update: liburcu's QSBR flavour, whose readers pay nothing. A thread that reads registers,
 * and says between batches that it holds no reference (quiescent), or goes offline before it sleeps.
 * The annotations tell ThreadSanitizer of the order that liburcu's own barriers make.
 */
#ifndef WGX_DEVICE_RCU_H
#define WGX_DEVICE_RCU_H

#include <pthread.h>
#include <urcu/urcu-qsbr.h>
#include <urcu/rculfhash.h>

#if defined(__SANITIZE_THREAD__)
#define WGX_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WGX_TSAN 1
#endif
#endif

#ifdef WGX_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
extern char wgx_rcu_order;
#define wgx_rcu_tsan_release() __tsan_release(&wgx_rcu_order)
#define wgx_rcu_tsan_acquire() __tsan_acquire(&wgx_rcu_order)
#else
#define wgx_rcu_tsan_release() ((void)0)
#define wgx_rcu_tsan_acquire() ((void)0)
#endif

/*
 * Hash tables grow by the number of their entries. Without accounting each long chain doubles them, and the longest
 * of many is long in any table: 128 MB for 100,000 entries.
 */
#define WGX_LFHT_FLAGS (CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING)

/** wgx_publish() - make @v visible to readers, with all that was written to it before */
#define wgx_publish(p, v) __atomic_store_n(&(p), (v), __ATOMIC_RELEASE)
/** wgx_read() - what wgx_publish() made visible */
#define wgx_read(p) __atomic_load_n(&(p), __ATOMIC_ACQUIRE)

static inline void wgx_rcu_quiescent(void)
{
	wgx_rcu_tsan_release();
	urcu_qsbr_quiescent_state();
}

static inline void wgx_rcu_offline(void)
{
	wgx_rcu_tsan_release();
	urcu_qsbr_thread_offline();
}

static inline void wgx_rcu_online(void)
{
	urcu_qsbr_thread_online();
}

/** wgx_rcu_lock() - wait for a lock offline: its holder may be waiting for a grace period */
static inline void wgx_rcu_lock(pthread_mutex_t *m)
{
	wgx_rcu_offline();
	pthread_mutex_lock(m);
	wgx_rcu_online();
}

static inline void wgx_rcu_register(void)
{
	urcu_qsbr_register_thread();
}

static inline void wgx_rcu_unregister(void)
{
	wgx_rcu_tsan_release();
	urcu_qsbr_unregister_thread();
}

/** wgx_rcu_destroy_table() - an empty one; offline, for one that is being resized waits for grace periods */
static inline void wgx_rcu_destroy_table(struct cds_lfht *table)
{
	wgx_rcu_offline();
	cds_lfht_destroy(table, NULL);
	wgx_rcu_online();
}

/** wgx_rcu_call() - @fn(@head) after a grace period, on liburcu's own thread; registered threads only */
void wgx_rcu_call(struct rcu_head *head, void (*fn)(struct rcu_head *head));
/** wgx_rcu_synchronize() - wait for a grace period; the caller holds no reference */
void wgx_rcu_synchronize(void);
/** wgx_rcu_barrier() - wait until all wgx_rcu_call()s made so far have run */
void wgx_rcu_barrier(void);

#endif
