/* SPDX-License-Identifier: MIT */
/* A client of the configuration protocol over a socket pair, in the daemon's own thread. */
#ifndef WGX_SELFTESTS_UAPI_CLIENT_H
#define WGX_SELFTESTS_UAPI_CLIENT_H

#include "fake_device.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "device/uapi.h"
#include "proto/crypto.h"

#define PRIVATE "e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a"
#define PUBLIC1 "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33"
#define PUBLIC2 "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376"
#define PUBLIC3 "662e14fd594556f522604703340351258903b64f35553763f19426ab2a515c58"
#define PSK "188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52"
#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"

/* The example of the protocol's own page, one line longer. */
#define EXAMPLE                                                                      \
	"private_key=" PRIVATE "\nlisten_port=12912\nfwmark=7\nreplace_peers=true\n" \
	"public_key=" PUBLIC1 "\npreshared_key=" PSK "\nreplace_allowed_ips=true\n"  \
	"allowed_ip=192.168.4.4/32\nendpoint=[abcd:23::33%1]:51820\n"                \
	"public_key=" PUBLIC2 "\nendpoint=182.122.22.19:3233\n"                      \
	"persistent_keepalive_interval=111\nreplace_allowed_ips=true\n"              \
	"allowed_ip=192.168.4.6/32\nallowed_ip=192.168.4.7/16\nallowed_ip=::/0\n"    \
	"public_key=" PUBLIC3 "\nprotocol_version=1\n"

struct client {
	struct wgx_uapi_conn *conn;
	int fd; /* our end */
	bool waited_to_write; /* the conversation once asked for EPOLLOUT */
};

struct text {
	char *p;
	size_t len, max;
};

static inline void append(struct text *t, const char *p, size_t len)
{
	if (t->len + len + 1 > t->max) {
		t->max = 2 * (t->len + len + 1);
		t->p = realloc(t->p, t->max);
		assert_non_null(t->p);
	}
	memcpy(t->p + t->len, p, len);
	t->len += len;
	t->p[t->len] = 0;
}

static inline struct client dial(struct fake *f)
{
	struct client c = {0};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(wgx_uapi_open(f->dev, fds[0], &c.conn), 0);
	c.fd = fds[1];
	return c;
}

static inline void hang_up(struct client *c)
{
	wgx_uapi_close(c->conn);
	close(c->fd);
}

/* What has arrived, appended to @t. */
static inline void take(struct client *c, struct text *t)
{
	char buf[8192];
	ssize_t n;

	while ((n = read(c->fd, buf, sizeof(buf))) > 0)
		append(t, buf, (size_t)n);
}

/* Send @request at most @step bytes at a time, the daemon running after each. Return: its last word. */
static inline int talk(struct client *c, const char *request, size_t len, size_t step,
		       struct text *t)
{
	size_t sent = 0;
	ssize_t n;
	int ret;

	do {
		n = send(c->fd, request + sent, len - sent < step ? len - sent : step,
			 MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		ret = wgx_uapi_ready(c->conn);
		if (ret == EPOLLOUT)
			c->waited_to_write = true;
		take(c, t);
	} while (ret > 0 && (sent < len || ret == EPOLLOUT));
	return ret;
}

/* One operation on a connection of its own; the answer is the caller's to free. */
static inline char *ask(struct fake *f, const char *request, size_t step)
{
	struct client c = dial(f);
	struct text t = {0};

	append(&t, "", 0);
	assert_int_equal(talk(&c, request, strlen(request), step, &t), EPOLLIN);
	hang_up(&c);
	return t.p;
}

static inline void expect(struct fake *f, const char *request, const char *answer)
{
	char *got = ask(f, request, SIZE_MAX);

	if (strcmp(got, answer))
		fail_msg("\n%s\nwas answered\n%s\nnot\n%s", request, got, answer);
	free(got);
}

#define SET(f, lines) expect(f, "set=1\n" lines "\n", "errno=0\n\n")
#define REFUSED(f, lines, n) expect(f, "set=1\n" lines "\n", "errno=-" #n "\n\n")

static inline char *dump(struct fake *f)
{
	return ask(f, "get=1\n\n", SIZE_MAX);
}

static inline void check_dump_has(struct fake *f, const char *text, bool want)
{
	char *got = dump(f);

	if (!strstr(got, text) == want)
		fail_msg("%s in\n%s", want ? "not" : "found", got);
	free(got);
}

#endif
