/* SPDX-License-Identifier: MIT */
#include "cli/uapi_client.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/client.h"
#include "daemon/daemon.h"

#define ERRNO_MAX 4095 /* the kernel's own */

static int open_socket(const char *interface)
{
	char path[sizeof(WGX_UAPI_DIR) + NAME_MAX];
	int fd;

	snprintf(path, sizeof(path), WGX_UAPI_DIR "/%s.sock", interface);
	fd = wgx_client_open(path, WGX_CLIENT_TIMEOUT_S);
	return fd == -ENOENT ? -ENODEV : fd;
}

/* Up to the empty line that ends it */
static int receive(int fd, struct wgx_secbuf *b)
{
	while (b->len < 2 || memcmp(b->data + b->len - 2, "\n\n", 2) != 0) {
		char *room;
		ssize_t n;

		if (b->len + 1 >= WGX_CLIENT_ANSWER_MAX)
			return -EMSGSIZE;
		room = wgx_secbuf_room(b, 1);
		if (!room)
			return -ENOMEM;
		n = recv(fd, room, b->size - 1 - b->len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (!n)
			return -EPROTO;
		b->len += (size_t)n;
		b->data[b->len] = '\0';
	}
	return 0;
}

/* The last line says how it went: "errno=0", or a negative number. */
static int result_of(const char *text)
{
	const char *last = NULL;
	char *end;
	long n;

	for (const char *p = text; (p = strstr(p, "errno=")); p++)
		if (p == text || p[-1] == '\n')
			last = p + strlen("errno=");
	if (!last)
		return -EPROTO;
	n = strtol(last, &end, 10);
	if (end == last || *end != '\n' || n < -ERRNO_MAX || n > ERRNO_MAX)
		return -EPROTO;
	return n > 0 ? (int)-n : (int)n;
}

int wgx_uapi_ask(const char *interface, const char *request, struct wgx_secbuf *ret)
{
	struct wgx_secbuf b = {0};
	int fd = open_socket(interface), err;

	if (fd < 0)
		return fd;
	err = wgx_client_send(fd, request, strlen(request));
	if (!err)
		err = receive(fd, &b);
	if (!err)
		err = result_of(b.data);
	close(fd);
	if (!err && ret)
		*ret = b;
	else
		wgx_secbuf_free(&b);
	return err;
}

bool wgx_uapi_next(char **at, char **ret_key, char **ret_value)
{
	char *line = *at, *end = line ? strchr(line, '\n') : NULL, *equals;

	if (!end || end == line)
		return false;
	*end = '\0';
	*at = end + 1;
	equals = strchr(line, '=');
	if (!equals)
		return false;
	*equals = '\0';
	*ret_key = line;
	*ret_value = equals + 1;
	return true;
}
