/* SPDX-License-Identifier: MIT */
#include "metrics/server.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>
#include <urcu/list.h>

#include "cli/client.h"
#include "daemon/log.h"
#include "device/device.h"
#include "metrics/text.h"

#define BLOCK 32768
#define IDLE_S 10
#define MEMORY 16384 /* of a connection: a request is no longer than this */

struct connection {
	struct cds_list_head all; /* the oldest first */
	int fd;
	uint64_t deadline; /* ms */
	bool streams; /* sends metrics */
	bool ended; /* shut down, and libmicrohttpd will notice */
};

struct wgx_metrics_server {
	struct MHD_Daemon *mhd;
	struct cds_list_head connections;
	struct wgx_metrics_source *source;
	const struct wgx_metrics_extra *extra;
};

/* ---- connections ---- */

static void end(struct connection *c)
{
	c->ended = true;
	shutdown(c->fd, SHUT_RDWR);
}

/* The oldest makes room where there are more than @max, of those that stream or of all. */
static void bound(struct wgx_metrics_server *s, unsigned int max, bool streams)
{
	struct connection *c, *oldest = NULL;
	unsigned int n = 0;

	cds_list_for_each_entry(c, &s->connections, all) {
		if (c->ended || (streams && !c->streams))
			continue;
		n++;
		if (!oldest)
			oldest = c;
	}
	if (n > max)
		end(oldest);
}

static void opened(struct wgx_metrics_server *s, struct MHD_Connection *connection, void **context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *c = calloc(1, sizeof(*c));

	*context = c;
	if (!c) {
		shutdown(info->connect_fd, SHUT_RDWR);
		return;
	}
	c->fd = info->connect_fd;
	c->deadline = wgx_clock_ms(CLOCK_MONOTONIC) + WGX_METRICS_DEADLINE_S * 1000;
	cds_list_add_tail(&c->all, &s->connections);
	bound(s, WGX_METRICS_CONNECTIONS, false);
}

static void notify(void *arg, struct MHD_Connection *connection, void **context,
		   enum MHD_ConnectionNotificationCode code)
{
	struct connection *c = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		opened(arg, connection, context);
	} else if (c) {
		cds_list_del(&c->all);
		free(c);
		*context = NULL;
	}
}

/* Return: ms until the next has to end, or -1 */
static int end_overdue(struct wgx_metrics_server *s)
{
	uint64_t now = wgx_clock_ms(CLOCK_MONOTONIC);
	struct connection *c;

	cds_list_for_each_entry(c, &s->connections, all) {
		if (c->ended)
			continue;
		if (c->deadline > now)
			return (int)(c->deadline - now);
		end(c);
	}
	return -1;
}

/* ---- answers ---- */

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned int status,
			       const char *type, struct MHD_Response *response)
{
	enum MHD_Result r = MHD_NO;

	/* one request a connection, so that none lasts for ever */
	if (response && MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") &&
	    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type))
		r = MHD_queue_response(connection, status, response);
	if (response)
		MHD_destroy_response(response);
	return r;
}

static enum MHD_Result respond_text(struct MHD_Connection *connection, unsigned int status,
				    const char *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);

	if (response && status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	return respond(connection, status, "text/plain; charset=utf-8", response);
}

static ssize_t read_metrics(void *arg, uint64_t pos, char *buf, size_t size)
{
	ssize_t n = wgx_metrics_text_read(arg, buf, size);

	if (n < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	return n ? n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void close_metrics(void *arg)
{
	wgx_metrics_text_close(arg);
	malloc_trim(0); /* it may have been the last that held a large answer */
}

/* The daemon's, and behind them the caller's. Return: NULL: no memory */
static struct wgx_metrics_text *open_text(struct wgx_metrics_server *s)
{
	const struct wgx_metrics_answer *a = wgx_metrics_ask(s->source, true);
	struct wgx_metrics_text *text =
		wgx_metrics_text_open(wgx_families, wgx_families_count, a->answer, a->took_ns);
	struct wgx_metrics_text *more;
	json_t *o;

	if (!text || !s->extra)
		return text;
	o = s->extra->tell(s->extra->arg);
	more = wgx_metrics_text_open(s->extra->families, s->extra->n_families, o, 0);
	json_decref(o);
	if (more) {
		wgx_metrics_text_append(text, more);
		return text;
	}
	wgx_metrics_text_close(text);
	return NULL;
}

static enum MHD_Result respond_metrics(struct wgx_metrics_server *s,
				       struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct wgx_metrics_text *text = open_text(s);
	struct connection *c = info->socket_context;
	struct MHD_Response *response;

	if (!text || !c) {
		wgx_metrics_text_close(text);
		return MHD_NO;
	}
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_metrics, text,
						     close_metrics);
	if (!response)
		wgx_metrics_text_close(text);
	c->streams = true;
	bound(s, WGX_METRICS_STREAMS, true);
	return respond(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
		       response);
}

static enum MHD_Result respond_health(struct wgx_metrics_server *s,
				      struct MHD_Connection *connection)
{
	const struct wgx_metrics_answer *a = wgx_metrics_ask(s->source, false);
	char text[128], line[256];

	if (a->answer)
		return respond_text(connection, MHD_HTTP_OK, "ok\n");
	snprintf(line, sizeof(line), "%s\n", wgx_client_strerror(a->err, text, sizeof(text)));
	return respond_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, line);
}

/* Return: is it one of the caller's? */
static bool respond_extra(struct wgx_metrics_server *s, struct MHD_Connection *connection,
			  const char *url, enum MHD_Result *ret)
{
	char *text = NULL;
	unsigned int status = s->extra ? s->extra->page(s->extra->arg, url, &text) : 0;

	if (!status)
		return false;
	*ret = text ? respond_text(connection, status, text) : MHD_NO;
	free(text);
	return true;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **request)
{
	enum MHD_Result result;

	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return respond_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only\n");
	if (!strcmp(url, "/metrics"))
		return respond_metrics(arg, connection);
	if (respond_extra(arg, connection, url, &result))
		return result;
	if (!strcmp(url, "/healthz"))
		return respond_health(arg, connection);
	if (!strcmp(url, "/"))
		return respond_text(connection, MHD_HTTP_OK, "wgx: see /metrics and /healthz\n");
	return respond_text(connection, MHD_HTTP_NOT_FOUND, "not here; see /metrics\n");
}

/* ---- in a loop ---- */

static int sooner(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

static int mhd_timeout(struct MHD_Daemon *mhd)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(mhd, &ms) != MHD_YES)
		return -1;
	return ms > 60000 ? 60000 : (int)ms;
}

struct wgx_metrics_server *wgx_metrics_server_open(int fd, struct wgx_metrics_source *source,
						   const struct wgx_metrics_extra *extra)
{
	struct wgx_metrics_server *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return NULL;
	}
	s->source = source;
	s->extra = extra;
	CDS_INIT_LIST_HEAD(&s->connections);
	/* twice as many, for those that are about to end */
	s->mhd = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handle, s, MHD_OPTION_LISTEN_SOCKET,
				  (MHD_socket)fd, MHD_OPTION_CONNECTION_LIMIT,
				  2u * WGX_METRICS_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
				  (unsigned int)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				  (size_t)MEMORY, MHD_OPTION_NOTIFY_CONNECTION, notify, s,
				  MHD_OPTION_END);
	if (s->mhd)
		return s;
	close(fd);
	free(s);
	return NULL;
}

int wgx_metrics_server_fd(const struct wgx_metrics_server *s)
{
	return MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int wgx_metrics_server_run(struct wgx_metrics_server *s)
{
	int ms;

	if (MHD_run(s->mhd) != MHD_YES)
		return -2;
	ms = sooner(end_overdue(s), wgx_metrics_forget(s->source));
	return sooner(ms, mhd_timeout(s->mhd));
}

void wgx_metrics_server_close(struct wgx_metrics_server *s)
{
	if (!s)
		return;
	MHD_stop_daemon(s->mhd); /* closes the socket, too */
	free(s);
}

/* ---- by itself ---- */

static int loop(struct wgx_metrics_server *s, int signals)
{
	struct pollfd p[] = {
		{.fd = wgx_metrics_server_fd(s), .events = POLLIN},
		{.fd = signals, .events = POLLIN},
	};

	while (!(p[1].revents & POLLIN)) {
		int ms = wgx_metrics_server_run(s);

		if (ms < -1)
			return -EIO;
		if (poll(p, 2, ms) < 0 && errno != EINTR)
			return -errno;
	}
	return 0;
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int wgx_metrics_serve(int fd)
{
	struct wgx_metrics_source source = {.logs = true};
	struct wgx_metrics_server *s;
	int err, signals = open_signals();

	if (signals < 0) {
		close(fd);
		return signals;
	}
	s = wgx_metrics_server_open(fd, &source, NULL);
	err = s ? loop(s, signals) : -EIO;
	wgx_metrics_server_close(s);
	wgx_metrics_source_close(&source);
	close(signals);
	return err;
}
