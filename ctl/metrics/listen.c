/* SPDX-License-Identifier: MIT */
#include "metrics/listen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/socket.h"

int wgx_metrics_place_parse(const char *text, struct wgx_metrics_place *ret)
{
	struct wgx_metrics_place place = {.path = NULL};
	int err = 0;

	if (*text == '/')
		place.path = text;
	else
		err = wgx_endpoint_parse(text, &place.tcp);
	if (!err)
		*ret = place;
	return err;
}

static int listen_tcp(struct wgx_endpoint *e)
{
	int fd = socket(e->addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(e->addr);
	const int one = 1;
	int err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!bind(fd, &e->addr.sa,
		  e->addr.sa.sa_family == AF_INET ? sizeof(e->addr.v4) : sizeof(e->addr.v6)) &&
	    !listen(fd, SOMAXCONN) && !getsockname(fd, &e->addr.sa, &len))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int wgx_metrics_listen(struct wgx_metrics_place *place)
{
	return place->path ? wgx_socket_listen(NULL, place->path, 0666) : listen_tcp(&place->tcp);
}
