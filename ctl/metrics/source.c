/* SPDX-License-Identifier: MIT */
#include "metrics/source.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "daemon/log.h"

#define FRESH_NS UINT64_C(1000000000)

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int call(bool peers, json_t **ret)
{
	json_t *request = json_pack("{s:s, s:b}", "cmd", "show", "peers", peers), *answer;
	int fd = request ? wgx_client_connect_within(WGX_METRICS_PATIENCE_S) : -ENOMEM;
	int err = fd;

	if (fd >= 0) {
		err = wgx_client_call(fd, request, &answer);
		close(fd);
	}
	json_decref(request);
	if (err)
		return err;
	if (wgx_client_error(answer)) {
		json_decref(answer);
		return -EBADMSG;
	}
	*ret = answer;
	return 0;
}

/* Once for each change, not for each scrape */
static void tell(struct wgx_metrics_source *s, int err)
{
	char text[128];

	if (!s->logs || err == s->told)
		return;
	if (err)
		wgx_log(WGX_LOG_WARN, "%s", wgx_client_strerror(err, text, sizeof(text)));
	else
		wgx_log(WGX_LOG_INFO, "the wgx daemon answers again");
	s->told = err;
}

const struct wgx_metrics_answer *wgx_metrics_ask(struct wgx_metrics_source *s, bool peers)
{
	struct wgx_metrics_answer *a = peers ? &s->all : &s->short_one;
	uint64_t begin = now_ns();

	/* one that is not there says so at once, and may be there a moment later */
	if (a->at_ns && begin - a->at_ns < FRESH_NS && (!a->err || a->err == -ETIMEDOUT))
		return a;
	json_decref(a->answer);
	a->answer = NULL;
	a->err = call(peers, &a->answer);
	a->at_ns = now_ns();
	a->took_ns = a->at_ns - begin;
	tell(s, a->err);
	return a;
}

static int forget(struct wgx_metrics_answer *a, uint64_t now)
{
	if (!a->answer)
		return -1;
	if (now - a->at_ns < FRESH_NS)
		return (int)((FRESH_NS - (now - a->at_ns)) / 1000000) + 1;
	json_decref(a->answer);
	a->answer = NULL;
	a->at_ns = 0;
	malloc_trim(0); /* that of many peers was hundreds of megabytes in small pieces */
	return -1;
}

int wgx_metrics_forget(struct wgx_metrics_source *s)
{
	uint64_t now = now_ns();
	int all = forget(&s->all, now), short_one = forget(&s->short_one, now);

	if (all < 0 || short_one < 0)
		return all < 0 ? short_one : all;
	return all < short_one ? all : short_one;
}

void wgx_metrics_source_close(struct wgx_metrics_source *s)
{
	json_decref(s->all.answer);
	json_decref(s->short_one.answer);
	memset(s, 0, sizeof(*s));
}
