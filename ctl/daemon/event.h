/* SPDX-License-Identifier: MIT */
/* One descriptor in the control thread's epoll loop. */
#ifndef WGX_DAEMON_EVENT_H
#define WGX_DAEMON_EVENT_H

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

/** struct wgx_event - embedded in what it belongs to; @fd -1: not in the loop */
struct wgx_event {
	int fd;
	/* may close and free what it belongs to, and others: the loop takes one event at a time */
	void (*ready)(struct wgx_event *e, uint32_t events);
	void *arg;
};

static inline int wgx_event_add(int epoll_fd, struct wgx_event *e, int fd,
				void (*ready)(struct wgx_event *, uint32_t), void *arg)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = e};

	*e = (struct wgx_event){.fd = fd, .ready = ready, .arg = arg};
	if (!epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev))
		return 0;
	e->fd = -1;
	return -errno;
}

/** wgx_event_timer() - a timer that is not set yet: timerfd_settime(2) of @e->fd. 0 or a negative errno */
static inline int wgx_event_timer(int epoll_fd, struct wgx_event *e,
				  void (*ready)(struct wgx_event *, uint32_t), void *arg)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), err;

	if (fd < 0)
		return -errno;
	err = wgx_event_add(epoll_fd, e, fd, ready, arg);
	if (err)
		close(fd);
	return err;
}

static inline void wgx_event_want(int epoll_fd, struct wgx_event *e, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = e};

	(void)epoll_ctl(epoll_fd, EPOLL_CTL_MOD, e->fd, &ev);
}

/** wgx_event_close() - out of the loop, and closed */
static inline void wgx_event_close(int epoll_fd, struct wgx_event *e)
{
	if (e->fd < 0)
		return;
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, e->fd, NULL);
	close(e->fd);
	e->fd = -1;
}

#endif
