/* SPDX-License-Identifier: MIT */
#include "path/sendbuf.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "device/device.h"
#include "path/transmit.h"

#define MAP_BYTES (2 * 65536)

int wgx_sendbuf_init(struct wgx_sendbuf *b)
{
	void *p = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	madvise(p, MAP_BYTES, MADV_DONTDUMP); /* plaintext is assembled here */
	*b = (struct wgx_sendbuf){.data = p};
	return 0;
}

void wgx_sendbuf_free(struct wgx_sendbuf *b)
{
	if (b->data)
		munmap(b->data, MAP_BYTES);
	b->data = NULL;
}

void wgx_sendbuf_aim(struct wgx_sendbuf *b, struct wgx_peer *peer, const struct wgx_endpoint *to,
		     uint8_t tos, const struct wgx_bind *bind, struct wgx_seal_counters *counters)
{
	if (b->n && (b->peer != peer || b->bind != bind || b->tos != tos ||
		     !wgx_endpoint_equal(&b->to, to)))
		wgx_sendbuf_flush(b);
	b->peer = peer;
	b->to = *to;
	b->tos = tos;
	b->bind = bind;
	b->counters = counters;
}

uint8_t *wgx_sendbuf_slot(struct wgx_sendbuf *b, size_t max)
{
	if (b->n &&
	    (b->closed || b->n == WGX_SENDBUF_DATAGRAMS || b->len + max > WGX_SENDBUF_BYTES))
		wgx_sendbuf_flush(b);
	return b->data + b->len;
}

void wgx_sendbuf_put(struct wgx_sendbuf *b, size_t len)
{
	if (b->n && len > b->size) {
		/* longer than those before it: they go first, it becomes the first of the next send */
		size_t before = b->len;

		wgx_sendbuf_flush(b);
		memmove(b->data, b->data + before, len);
	}
	if (!b->n)
		b->size = len;
	b->n++;
	b->len += len;
	b->closed = len < b->size;
}

/* One send; a sticky source address that is no longer ours is forgotten, and the kernel chooses (P-DT-10). */
static int send_range(struct wgx_sendbuf *b, size_t at, size_t len, uint16_t gso_size)
{
	struct iovec iov = {.iov_base = b->data + at, .iov_len = len};
	int err = wgx_bind_send(b->bind, &b->to, b->tos, &iov, 1, gso_size);

	wgx_count(&b->counters->sends, 1);
	/* of many datagrams, -EINVAL may mean their size as well: singly it means the source */
	if (err == -EINVAL && gso_size)
		return err;
	if (err != -EINVAL && err != -EADDRNOTAVAIL && err != -ENETUNREACH && err != -EHOSTUNREACH)
		return err;
	if (!memcmp(&b->to.src6, &in6addr_any, sizeof(in6addr_any)))
		return err;
	b->to.src6 = in6addr_any;
	b->to.src_if = 0;
	wgx_endpoint_clear_source(&b->peer->endpoint);
	wgx_count(&b->counters->sends, 1);
	return wgx_bind_send(b->bind, &b->to, b->tos, &iov, 1, gso_size);
}

static void count_lost(struct wgx_sendbuf *b, int err, unsigned int packets)
{
	enum wgx_drop_reason reason =
		err == -EMSGSIZE ? WGX_DROP_SEND_TOO_BIG : WGX_DROP_SEND_ERROR;

	wgx_count(&b->counters->drops[reason], packets);
	wgx_peer_drops_add(&b->peer->drops, reason, packets);
}

static void send_singly(struct wgx_sendbuf *b)
{
	for (size_t at = 0; at < b->len; at += b->size) {
		size_t len = b->len - at < b->size ? b->len - at : b->size;
		int err = send_range(b, at, len, 0);

		if (err)
			count_lost(b, err, 1);
	}
}

static void send_by_socket(struct wgx_sendbuf *b)
{
	int err = send_range(b, 0, b->len, b->n > 1 ? (uint16_t)b->size : 0);

	if (b->n > 1 && (err == -EMSGSIZE || err == -EINVAL || err == -EIO || err == -EOPNOTSUPP))
		send_singly(
			b); /* a datagram exceeds the path's MTU, or the device cannot checksum */
	else if (err)
		count_lost(b, err, b->n);
}

void wgx_sendbuf_flush(struct wgx_sendbuf *b)
{
	if (!b->n)
		return;
	if (!wgx_transmit_send(b))
		send_by_socket(b);
	b->len = 0;
	b->n = 0;
	b->closed = false;
}
