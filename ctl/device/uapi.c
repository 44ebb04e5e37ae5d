/* SPDX-License-Identifier: MIT */
/* One conversation: operations are read line by line, and answered one after the other (P-UA-1). */
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sodium.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "device/secmem.h"
#include "device/uapi.h"
#include "device/uapi_internal.h"

#define IN_SIZE 16384 /* more than the longest line */
#define BLOCK_SIZE 65536
#define LINE_MAX_OUT 256
#define REQUEST_MAX (128u << 20) /* 100,000 peers, 1,000,000 allowed IPs of full length, and more */
#define LARGE_SET 10000 /* peers and allowed IPs */
#define READS_A_TURN 64 /* then the thread's other work gets its turn */

enum operation { OP_NONE, OP_GET, OP_SET };

struct wgx_uapi_block {
	struct wgx_uapi_block *next;
	size_t sent, len;
	char data[BLOCK_SIZE - 3 * sizeof(size_t)];
};
_Static_assert(sizeof(struct wgx_uapi_block) == BLOCK_SIZE, "whole pages");

struct wgx_uapi_conn {
	struct wgx_device *dev;
	int fd;
	enum operation op;
	bool eof;
	bool skipping; /* the rest of a line that is too long */
	int get_err;
	size_t request; /* bytes of the operation so far */
	struct wgx_uapi_set set;
	struct wgx_uapi_out out;
	char status[32]; /* what ends the answer: needs no memory, so that -ENOMEM can be said */
	size_t status_len, status_sent;
	size_t in_len;
	char in[IN_SIZE];
};

/* ---- out ---- */

static char *reserve(struct wgx_uapi_out *o, size_t n)
{
	struct wgx_uapi_block *b = o->last;

	if (b && sizeof(b->data) - b->len >= n)
		return b->data + b->len;
	b = wgx_secmem_alloc(sizeof(*b));
	if (!b)
		return NULL;
	if (o->last)
		o->last->next = b;
	else
		o->first = b;
	o->last = b;
	return b->data;
}

void wgx_uapi_printf(struct wgx_uapi_out *o, const char *format, ...)
{
	char *p = o->failed ? NULL : reserve(o, LINE_MAX_OUT);
	va_list args;

	if (!p) {
		o->failed = true;
		return;
	}
	va_start(args, format);
	o->last->len += (size_t)vsnprintf(p, LINE_MAX_OUT, format, args);
	va_end(args);
}

static void drop_block(struct wgx_uapi_out *o)
{
	struct wgx_uapi_block *b = o->first;

	o->first = b->next;
	if (!o->first)
		o->last = NULL;
	wgx_secmem_free(b, sizeof(*b));
}

void wgx_uapi_clear(struct wgx_uapi_out *o)
{
	while (o->first)
		drop_block(o);
	o->failed = false;
}

static bool answering(const struct wgx_uapi_conn *c)
{
	return c->out.first || c->status_len;
}

/* Return: 0 and some of it sent, or a negative errno. */
static int send_some(struct wgx_uapi_conn *c, const char *p, size_t len, size_t *sent)
{
	ssize_t n;

	do
		n = send(c->fd, p + *sent, len - *sent, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	*sent += (size_t)n;
	return 0;
}

/* Return: 0 when all is sent, -EAGAIN when the socket is full, or another negative errno. */
static int flush(struct wgx_uapi_conn *c)
{
	struct wgx_uapi_block *b;
	int err;

	while ((b = c->out.first)) {
		err = send_some(c, b->data, b->len, &b->sent);
		if (err)
			return err;
		if (b->sent == b->len)
			drop_block(&c->out);
	}
	while (c->status_len) {
		err = send_some(c, c->status, c->status_len, &c->status_sent);
		if (err)
			return err;
		if (c->status_sent == c->status_len)
			c->status_len = c->status_sent = 0;
	}
	return 0;
}

/* ---- operations ---- */

/*
 * The sign is what `wg` reads: it makes errno of a failed set by negating the number (wireguard-go answers
 * -98 for a port in use), but not that of a get.
 */
static void answer(struct wgx_uapi_conn *c, int err)
{
	int number = c->op == OP_SET ? err : -err;

	if (err)
		wgx_uapi_clear(&c->out);
	c->status_len = (size_t)snprintf(c->status, sizeof(c->status), "errno=%d\n\n", number);
	c->op = OP_NONE;
	c->get_err = 0;
	c->request = 0;
}

static void finish_get(struct wgx_uapi_conn *c)
{
	if (!c->get_err) {
		wgx_device_lock(c->dev);
		wgx_uapi_get(&c->out, c->dev);
		wgx_device_unlock(c->dev);
	}
	answer(c, c->out.failed ? -ENOMEM : c->get_err);
}

static void finish_set(struct wgx_uapi_conn *c)
{
	bool large = c->set.n_peers + c->set.n_ops > LARGE_SET;
	int err;

	wgx_device_lock(c->dev);
	err = wgx_uapi_set_apply(&c->set, c->dev);
	wgx_device_commit(c->dev);
	wgx_uapi_set_clear(&c->set);
	if (large)
		malloc_trim(
			0); /* some megabytes in pieces, of the request and of tables that grew */
	answer(c, err);
}

static void fail(struct wgx_uapi_conn *c, int err)
{
	if (c->op == OP_SET && !c->set.err)
		wgx_uapi_set_fail(&c->set, err);
	else if (c->op == OP_GET && !c->get_err)
		c->get_err = err;
}

/* Return: -EPROTO for what is no operation: nothing sensible can follow, as in wireguard-go. */
static int begin(struct wgx_uapi_conn *c, const char *line, size_t len)
{
	if (len == 5 && !memcmp(line, "get=1", 5))
		c->op = OP_GET;
	else if (len == 5 && !memcmp(line, "set=1", 5))
		c->op = OP_SET;
	else
		return -EPROTO;
	return 0;
}

static int take_line(struct wgx_uapi_conn *c, const char *line, size_t len)
{
	if (c->op == OP_NONE)
		return begin(c, line, len);
	c->request += len + 1;
	if (c->request > REQUEST_MAX)
		fail(c, -E2BIG);
	if (!len && c->op == OP_GET)
		finish_get(c);
	else if (!len)
		finish_set(c);
	else if (c->op == OP_GET)
		fail(c, -EINVAL);
	else
		wgx_uapi_set_line(&c->set, line, len);
	return 0;
}

/* ---- in ---- */

/* A line that fills the buffer is too long for anything: forget it up to its end. */
static int begin_skipping(struct wgx_uapi_conn *c)
{
	if (c->op == OP_NONE)
		return -EPROTO;
	fail(c, -EINVAL);
	c->skipping = true;
	sodium_memzero(c->in, c->in_len);
	c->in_len = 0;
	return 0;
}

/*
 * Take whole lines until one of them was answered: the next operation waits until that answer is sent.
 * Return: 0, or -EPROTO.
 */
static int take_lines(struct wgx_uapi_conn *c)
{
	char *p = c->in, *end = c->in + c->in_len, *newline;
	int err = 0;

	while (!err && !answering(c) && p < end && (newline = memchr(p, '\n', (size_t)(end - p)))) {
		if (!c->skipping)
			err = take_line(c, p, (size_t)(newline - p));
		c->skipping = false;
		p = newline + 1;
	}
	if (p > c->in) {
		memmove(c->in, p, (size_t)(end - p));
		sodium_memzero(end - (p - c->in), (size_t)(p - c->in));
		c->in_len = (size_t)(end - p);
	}
	return err;
}

/* Return: 0 (c->eof at the end), -EAGAIN, or another negative errno. */
static int fill(struct wgx_uapi_conn *c)
{
	ssize_t n;

	do
		n = read(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	c->eof = n == 0;
	c->in_len += (size_t)n;
	return 0;
}

int wgx_uapi_open(struct wgx_device *dev, int fd, struct wgx_uapi_conn **ret)
{
	struct wgx_uapi_conn *c = wgx_secmem_alloc(sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->dev = dev;
	c->fd = fd;
	*ret = c;
	return 0;
}

void wgx_uapi_close(struct wgx_uapi_conn *c)
{
	if (!c)
		return;
	close(c->fd);
	wgx_uapi_set_clear(&c->set);
	wgx_uapi_clear(&c->out);
	wgx_secmem_free(c, sizeof(*c));
}

int wgx_uapi_ready(struct wgx_uapi_conn *c)
{
	unsigned int reads = 0;
	int err;

	for (;;) {
		err = flush(c);
		if (err)
			return err == -EAGAIN ? EPOLLOUT : err;
		if (take_lines(c) < 0)
			return 0;
		if (answering(c))
			continue;
		if (c->in_len == sizeof(c->in) && begin_skipping(c) < 0)
			return 0;
		if (c->eof) /* an operation without its blank line is not carried out */
			return 0;
		if (reads++ == READS_A_TURN)
			return EPOLLIN;
		err = fill(c);
		if (err)
			return err == -EAGAIN ? EPOLLIN : err;
	}
}
