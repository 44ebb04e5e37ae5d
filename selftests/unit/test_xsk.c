/* SPDX-License-Identifier: MIT */
/* The rings of an AF_XDP socket without a kernel: frames out, chunks back, and who has to be told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/if_xdp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "path/xsk.h"

#define SIZE 8

struct env {
	struct wgx_xsk x;
	struct {
		uint32_t producer, consumer, flags;
	} rx, fill;
	struct xdp_desc descs[SIZE];
	uint64_t addrs[SIZE];
	int fds[2]; /* what is sent by the second waits at the first, which is the socket, until somebody receives */
};

static void begin(struct env *e)
{
	memset(e, 0, sizeof(*e));
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, e->fds), 0);
	assert_int_equal(wgx_umem_create(&e->x.umem, SIZE), 0);
	e->x.fd = e->fds[0];
	e->x.ring_size = SIZE;
	e->x.rx = (struct xsk_ring_cons){.mask = SIZE - 1,
					 .size = SIZE,
					 .producer = &e->rx.producer,
					 .consumer = &e->rx.consumer,
					 .flags = &e->rx.flags,
					 .ring = e->descs};
	e->x.fill = (struct xsk_ring_prod){.mask = SIZE - 1,
					   .size = SIZE,
					   .cached_cons = SIZE,
					   .producer = &e->fill.producer,
					   .consumer = &e->fill.consumer,
					   .flags = &e->fill.flags,
					   .ring = e->addrs};
}

static void end(struct env *e)
{
	wgx_umem_destroy(&e->x.umem);
	close(e->fds[0]);
	close(e->fds[1]);
}

/* The kernel has put a frame of @n chunks of @len bytes there, from @chunk on. */
static void put(struct env *e, uint32_t n, uint64_t chunk, uint32_t len)
{
	for (uint32_t i = 0; i < n; i++)
		e->descs[(e->rx.producer + i) % SIZE] = (struct xdp_desc){
			.addr = (chunk + i) * WGX_CHUNK_SIZE + 256,
			.len = len,
			.options = i + 1 < n ? 1 /* XDP_PKT_CONTD */ : 0,
		};
	e->rx.producer += n;
}

static bool told(struct env *e)
{
	char byte;

	return recv(e->fds[0], &byte, 1, MSG_DONTWAIT) < 0;
}

/* Return: has the device been told that there are chunks again? */
static bool take_and_release(struct env *e)
{
	struct iovec iov[SIZE];
	size_t len;

	assert_int_equal(send(e->fds[1], "", 1, 0), 1);
	put(e, 1, 3, 100);
	assert_int_equal(wgx_xsk_next(&e->x, iov, SIZE, &len), 1);
	wgx_xsk_release(&e->x);
	return told(e);
}

static void test_frames(void **state)
{
	struct iovec iov[SIZE];
	struct env e;
	uint32_t behind;
	size_t len;

	begin(&e);
	assert_int_equal(wgx_xsk_next(&e.x, iov, SIZE, &len), 0);
	assert_true(wgx_xsk_passed(&e.x, wgx_xsk_end(&e.x)));
	put(&e, 1, 5, 60);
	put(&e, 3, 0, 1000);
	assert_false(wgx_xsk_idle(&e.x));
	behind = wgx_xsk_end(&e.x);
	assert_false(wgx_xsk_passed(&e.x, behind));
	assert_int_equal(wgx_xsk_next(&e.x, iov, SIZE, &len), 1);
	assert_int_equal(len, 60);
	assert_ptr_equal(iov[0].iov_base, e.x.umem.base + 5 * WGX_CHUNK_SIZE + 256);
	assert_int_equal(wgx_xsk_next(&e.x, iov, 2, &len), -EMSGSIZE);
	put(&e, 2, 6, 4);
	e.rx.producer--; /* of which one half is not there yet */
	assert_int_equal(wgx_xsk_next(&e.x, iov, SIZE, &len), 0);
	e.rx.producer++;
	assert_int_equal(wgx_xsk_next(&e.x, iov, SIZE, &len), 2);
	assert_int_equal(len, 8);
	wgx_xsk_release(&e.x);
	assert_true(wgx_xsk_idle(&e.x));
	assert_true(wgx_xsk_passed(&e.x, behind));
	put(&e, 1, 7, 60);
	assert_true(wgx_xsk_passed(&e.x, behind)); /* what comes later does not count */
	assert_int_equal(wgx_xsk_next(&e.x, iov, SIZE, &len), 1);
	wgx_xsk_release(&e.x);
	assert_int_equal(e.fill.producer, 7);
	/* without the headroom */
	assert_int_equal(e.addrs[0], 5 * WGX_CHUNK_SIZE);
	assert_int_equal(e.addrs[3], 2 * WGX_CHUNK_SIZE);
	assert_int_equal(e.addrs[5], 7 * WGX_CHUNK_SIZE);
	end(&e);
}

/* A device that reads the fill ring by itself has to be told only where it says so; the kernel that copies, never. */
static void test_wakeup(void **state)
{
	struct env e;

	begin(&e);
	assert_false(take_and_release(&e));
	e.fill.flags = XDP_RING_NEED_WAKEUP;
	assert_false(take_and_release(&e));
	e.x.zero_copy = true;
	assert_true(take_and_release(&e));
	e.fill.flags = 0;
	assert_false(take_and_release(&e));
	end(&e);
}

/* With zero-copy and nothing to receive, the device would receive into nothing. */
static void test_send_only(void **state)
{
	struct wgx_xsk *x;

	assert_int_equal(wgx_xsk_create_sending("lo", 0, 0, true, false, 64, &x), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_wakeup),
		cmocka_unit_test(test_send_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
