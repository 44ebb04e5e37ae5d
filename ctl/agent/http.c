/* SPDX-License-Identifier: MIT */
#include "agent/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "device/device.h"
#include "daemon/event.h"

#define BODY_MAX (64u << 20)
#define TOKEN_AGE_MS 55000
#define CONNECT_TIMEOUT_S 10
#define KEEPALIVE_S 15L
#define UNANSWERED_MS 30000

struct wgx_http {
	const struct wgx_kube *kube;
	CURLM *multi;
	int epoll_fd;
	struct wgx_event event; /* an epoll of libcurl's sockets, in that of the loop */
	uint64_t timer; /* when libcurl wants to be called; UINT64_MAX: not */
	char *token; /* "Authorization: Bearer ..." */
	uint64_t token_read;
};

struct wgx_http_request {
	struct wgx_http *http;
	struct wgx_http_ask ask;
	CURL *easy;
	struct curl_slist *headers;
	char *body, error[CURL_ERROR_SIZE];
	size_t len, room;
};

/* ---- tokens ---- */

static void set_token(struct wgx_http *h, const char *token)
{
	if (h->token)
		sodium_memzero(h->token, strlen(h->token));
	free(h->token);
	if (asprintf(&h->token, "Authorization: Bearer %s", token) < 0)
		h->token = NULL;
}

/* One that cannot be read just now leaves the last one. */
static void read_token(struct wgx_http *h)
{
	char *text = wgx_kube_read_token(h->kube->token_file);

	if (!text)
		return;
	set_token(h, text);
	sodium_memzero(text, strlen(text));
	h->token_read = wgx_clock_ms(CLOCK_BOOTTIME);
	free(text);
}

static const char *token(struct wgx_http *h)
{
	if (h->kube->token_file &&
	    (!h->token || wgx_clock_ms(CLOCK_BOOTTIME) >= h->token_read + TOKEN_AGE_MS))
		read_token(h);
	else if (!h->token && h->kube->token)
		set_token(h, h->kube->token);
	return h->token;
}

void wgx_http_stale(struct wgx_http *h)
{
	h->token_read = 0;
}

/* ---- sockets and timers ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct wgx_http *h = arg;
	struct epoll_event ev = {
		.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) |
			  (what & CURL_POLL_OUT ? EPOLLOUT : 0u),
		.data.fd = fd,
	};

	if (what == CURL_POLL_REMOVE)
		(void)epoll_ctl(h->event.fd, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(h->event.fd, EPOLL_CTL_MOD, fd, &ev))
		(void)epoll_ctl(h->event.fd, EPOLL_CTL_ADD, fd, &ev);
	return 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	struct wgx_http *h = arg;

	h->timer = ms < 0 ? UINT64_MAX : wgx_clock_ms(CLOCK_BOOTTIME) + (uint64_t)ms;
	return 0;
}

static void free_request(struct wgx_http_request *q)
{
	if (!q)
		return;
	if (q->easy) {
		curl_multi_remove_handle(q->http->multi, q->easy);
		curl_easy_cleanup(q->easy);
	}
	curl_slist_free_all(q->headers);
	free(q->body);
	free(q);
}

void wgx_http_cancel(struct wgx_http_request *q)
{
	free_request(q);
}

static void end(CURL *easy, CURLcode result)
{
	struct wgx_http_request *q = NULL;
	struct wgx_http_answer a = {0};
	struct wgx_http_ask ask;
	curl_off_t wait = 0;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &q);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &a.status);
	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &wait);
	a.retry_after = wait > 0 && wait < UINT32_MAX ? (uint32_t)wait : 0;
	if (result) {
		a.error = q->error[0] ? q->error : curl_easy_strerror(result);
		a.status = 0;
	}
	a.body = q->body ? q->body : "";
	a.len = q->len;
	ask = q->ask;
	ask.on_end(ask.arg, &a);
	free_request(q);
}

static void collect(struct wgx_http *h)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(h->multi, &left)))
		if (msg->msg == CURLMSG_DONE)
			end(msg->easy_handle, msg->data.result);
}

static void sockets_ready(struct wgx_event *e, uint32_t events)
{
	struct wgx_http *h = e->arg;
	struct epoll_event ev[16];
	int n = epoll_wait(e->fd, ev, 16, 0), running;

	for (int i = 0; i < n; i++)
		curl_multi_socket_action(
			h->multi, ev[i].data.fd,
			(ev[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
				(ev[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
				(ev[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0),
			&running);
	collect(h);
}

int wgx_http_run(struct wgx_http *h)
{
	uint64_t now = wgx_clock_ms(CLOCK_BOOTTIME);
	int running;

	if (now >= h->timer) {
		h->timer = UINT64_MAX;
		curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		collect(h);
		now = wgx_clock_ms(CLOCK_BOOTTIME);
	}
	if (h->timer == UINT64_MAX)
		return -1;
	return h->timer > now ? (int)(h->timer - now) : 0;
}

struct wgx_http *wgx_http_open(const struct wgx_kube *kube, int epoll_fd)
{
	struct wgx_http *h = calloc(1, sizeof(*h));
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (!h || fd < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) ||
	    wgx_event_add(epoll_fd, &h->event, fd, sockets_ready, h)) {
		free(h);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	h->kube = kube;
	h->epoll_fd = epoll_fd;
	h->timer = UINT64_MAX;
	h->multi = curl_multi_init();
	if (!h->multi) {
		wgx_http_close(h);
		return NULL;
	}
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	return h;
}

/* All requests are gone by then. */
void wgx_http_close(struct wgx_http *h)
{
	if (!h)
		return;
	if (h->multi)
		curl_multi_cleanup(h->multi);
	wgx_event_close(h->epoll_fd, &h->event);
	if (h->token)
		sodium_memzero(h->token, strlen(h->token));
	free(h->token);
	free(h);
}

/* ---- requests ---- */

char *wgx_http_escape(const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0);
	char *copy = escaped ? strdup(escaped) : NULL;

	curl_free(escaped);
	return copy;
}

static int gather(struct wgx_http_request *q, const void *data, size_t len)
{
	size_t room = q->room ? q->room : 16384;
	char *body;

	if (q->len + len >= BODY_MAX)
		return -EMSGSIZE;
	while (room <= q->len + len)
		room *= 2;
	if (room > q->room) {
		body = realloc(q->body, room);
		if (!body)
			return -ENOMEM;
		q->body = body;
		q->room = room;
	}
	memcpy(q->body + q->len, data, len);
	q->len += len;
	q->body[q->len] = '\0';
	return 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct wgx_http_request *q = arg;
	long status = 0;
	bool ok;

	curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &status);
	ok = q->ask.on_data && status == 200 ? q->ask.on_data(q->ask.arg, data, size * n)
					     : !gather(q, data, size * n);
	return ok ? size * n : 0;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct wgx_http_request *q = arg;
	bool last = size * n == 2 && line[0] == '\r';
	long status = 0;

	curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &status);
	if (last && q->ask.on_open && status == 200)
		q->ask.on_open(q->ask.arg);
	return size * n;
}

static struct curl_blob blob_of(char *text)
{
	return (struct curl_blob){.data = text, .len = strlen(text), .flags = CURL_BLOB_COPY};
}

static void set_tls(CURL *c, const struct wgx_kube *k)
{
	struct curl_blob blob;

	if (k->ca) {
		blob = blob_of(k->ca);
		curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &blob);
	} else if (k->ca_file) {
		curl_easy_setopt(c, CURLOPT_CAINFO, k->ca_file);
		curl_easy_setopt(c, CURLOPT_CA_CACHE_TIMEOUT, 60L);
	}
	if (k->cert) {
		blob = blob_of(k->cert);
		curl_easy_setopt(c, CURLOPT_SSLCERT_BLOB, &blob);
	} else if (k->cert_file) {
		curl_easy_setopt(c, CURLOPT_SSLCERT, k->cert_file);
	}
	if (k->key) {
		blob = blob_of(k->key);
		curl_easy_setopt(c, CURLOPT_SSLKEY_BLOB, &blob);
	} else if (k->key_file) {
		curl_easy_setopt(c, CURLOPT_SSLKEY, k->key_file);
	}
}

static int add_header(struct wgx_http_request *q, const char *text)
{
	struct curl_slist *more = text ? curl_slist_append(q->headers, text) : NULL;

	if (more)
		q->headers = more;
	return more ? 0 : -ENOMEM;
}

static int set_headers(struct wgx_http_request *q)
{
	const char *bearer = token(q->http);
	char type[128];
	int err = add_header(q, "Accept: application/json");

	if (!err && bearer)
		err = add_header(q, bearer);
	if (!err && q->ask.type) {
		snprintf(type, sizeof(type), "Content-Type: %s", q->ask.type);
		err = add_header(q, type);
	}
	return err;
}

static int set_url(struct wgx_http_request *q)
{
	char *url;
	int err;

	if (asprintf(&url, "%s%s", q->http->kube->server, q->ask.path) < 0)
		return -ENOMEM;
	err = curl_easy_setopt(q->easy, CURLOPT_URL, url) ? -ENOMEM : 0;
	free(url);
	return err;
}

/* A server that is gone in silence, or an own address that is, is noticed within a minute. */
static int on_connect(void *arg, curl_socket_t fd, curlsocktype type)
{
	unsigned int ms = UNANSWERED_MS;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	return CURL_SOCKOPT_OK;
}

static int set_up(struct wgx_http_request *q)
{
	CURL *c = q->easy;
	int err = set_url(q);

	if (!err)
		err = set_headers(q);
	if (err)
		return err;
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	/* not 2, where a request that hangs leaves a dead connection for the next one */
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_USERAGENT, "wgx/" WGX_VERSION);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, q->headers);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->ask.method);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)q->ask.timeout_s);
	curl_easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, on_connect);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S / 3);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, q->error);
	curl_easy_setopt(c, CURLOPT_PRIVATE, q);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, q);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, q);
	if (q->ask.body)
		curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, q->ask.body);
	set_tls(c, q->http->kube);
	return curl_multi_add_handle(q->http->multi, c) ? -ENOMEM : 0;
}

struct wgx_http_request *wgx_http_send(struct wgx_http *h, const struct wgx_http_ask *ask)
{
	struct wgx_http_request *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->http = h;
	q->ask = *ask;
	q->easy = curl_easy_init();
	if (!q->easy || set_up(q)) {
		free_request(q);
		return NULL;
	}
	return q;
}
