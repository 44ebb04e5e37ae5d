/* SPDX-License-Identifier: MIT */
/* Is this node ready, and if not, why not? And the pages that tell: /livez, /healthz, /readyz, /metrics. */
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "daemon/log.h"

__attribute__((format(printf, 2, 3))) static void add(json_t *list, const char *format, ...)
{
	char text[800];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_array_append_new(list, json_string(text));
}

/* ---- what is in the way ---- */

/*
 * A registry that answers no more is no obstacle: what this node knows is as good as it was. Nor is one that has not
 * answered yet, where the nodes that were known last are there.
 */
static void look_at_registry(const struct wgx_agent *a, json_t *list)
{
	const char *problem = a->registry_problem;

	if (!a->was_synced && !a->known_before)
		add(list,
		    "the registry has not answered yet, and no nodes are known from before%s%s",
		    *problem ? ": " : "", problem);
	else if (a->members.synced && a->publish_due)
		add(list, "this node is not published yet");
}

static void look_at_daemon(struct wgx_agent *a, json_t *list)
{
	const struct wgx_metrics_answer *show = wgx_metrics_ask(&a->source, false);
	char text[128];

	if (!show->answer)
		add(list, "%s", wgx_client_strerror(show->err, text, sizeof(text)));
	else if (!if_nametoindex(a->options->interface))
		add(list, "there is no interface %s", a->options->interface);
}

static void look_at_tunnel(struct wgx_agent *a, json_t *list)
{
	const struct wgx_metrics_answer *show = wgx_metrics_ask(&a->source, false);
	char text[256];

	if (!a->converged)
		add(list, "%s is not set up yet", a->options->interface);
	else if (!a->self.n_cidrs)
		add(list, "this node has no networks of pods yet");
	else if (wgx_tunnel_routes_problem(&a->tunnel, &a->want, text, sizeof(text)))
		add(list, "%s", text);
	if (a->options->strict && show->answer &&
	    wgx_tunnel_filter_problem(&a->tunnel, &a->own, show->answer, text, sizeof(text)))
		add(list, "strict mode is not in force: %s", text);
}

bool wgx_agent_strict(struct wgx_agent *a)
{
	const struct wgx_metrics_answer *show = wgx_metrics_ask(&a->source, false);
	char text[256];

	/* it stands also where the daemon has died */
	return a->tunnel.filtered &&
	       (!show->answer ||
		!wgx_tunnel_filter_problem(&a->tunnel, &a->own, show->answer, text, sizeof(text)));
}

json_t *wgx_agent_obstacles(struct wgx_agent *a)
{
	json_t *list = json_array();

	look_at_daemon(a, list);
	look_at_tunnel(a, list);
	look_at_registry(a, list);
	return list;
}

/* ---- pages ---- */

/* A line each; "ok" where there are none. Return: the status */
static unsigned int answer(const json_t *problems, const char *note, char **ret)
{
	size_t len = 0, i;
	FILE *f = open_memstream(ret, &len);
	const json_t *line;

	if (!f)
		return 500;
	if (!json_array_size(problems))
		fprintf(f, "ok\n%s", note);
	json_array_foreach(problems, i, line)
		fprintf(f, "%s\n", json_string_value(line));
	fclose(f);
	return json_array_size(problems) ? 503 : 200;
}

static unsigned int page_health(struct wgx_agent *a, char **ret)
{
	json_t *problems = json_array();
	unsigned int status;

	look_at_daemon(a, problems);
	status = answer(problems, "", ret);
	json_decref(problems);
	return status;
}

static unsigned int page_ready(struct wgx_agent *a, char **ret)
{
	json_t *problems = wgx_agent_obstacles(a);
	char note[sizeof(a->registry_problem) + 64] = "";
	unsigned int status;

	if (!a->members.synced)
		snprintf(note, sizeof(note), "the registry does not answer%s%s\n",
			 a->registry_problem[0] ? ": " : "", a->registry_problem);
	status = answer(problems, note, ret);
	json_decref(problems);
	return status;
}

static unsigned int page(void *arg, const char *url, char **ret)
{
	if (!strcmp(url, "/livez")) /* who answers lives */
		return answer(NULL, "", ret);
	if (!strcmp(url, "/healthz"))
		return page_health(arg, ret);
	if (!strcmp(url, "/readyz"))
		return page_ready(arg, ret);
	if (strcmp(url, "/") != 0)
		return 0;
	*ret = strdup("wgx agent: see /livez, /healthz, /readyz and /metrics\n");
	return 200;
}

static json_t *tell(void *arg)
{
	return wgx_agent_status_json(arg);
}

/* ---- the server ---- */

static void pages_ready(struct wgx_event *e, uint32_t events)
{
	/* wgx_agent_pages_run() does it all, at each turn */
}

int wgx_agent_pages_begin(struct wgx_agent *a)
{
	const char *where = a->options->http;
	struct wgx_metrics_place place;
	char text[WGX_ENDPOINT_TEXT];
	int fd;

	a->pages = NULL;
	if (!where)
		return WGX_EXIT_OK;
	a->extra = (struct wgx_metrics_extra){
		.families = wgx_agent_families,
		.n_families = wgx_agent_families_count,
		.tell = tell,
		.page = page,
		.arg = a,
	};
	fd = wgx_metrics_place_parse(where, &place) ? -EINVAL : wgx_metrics_listen(&place);
	if (fd < 0)
		return wgx_fail("cannot listen at %s: %s", where,
				fd == -EADDRINUSE ? "another process does" : strerror(-fd));
	a->pages = wgx_metrics_server_open(fd, &a->source, &a->extra);
	if (!a->pages)
		return wgx_fail("cannot serve at %s", where);
	/* its descriptor is the server's: dup(2), so that each may close its own */
	fd = dup(wgx_metrics_server_fd(a->pages));
	if (fd < 0 || wgx_event_add(a->epoll_fd, &a->pages_event, fd, pages_ready, a))
		return wgx_fail("cannot serve at %s: no descriptor left", where);
	wgx_log(WGX_LOG_INFO, "health and metrics are at %s%s", place.path ? "" : "http://",
		place.path ? place.path : wgx_endpoint_format(&place.tcp, text));
	return WGX_EXIT_OK;
}

int wgx_agent_pages_run(struct wgx_agent *a)
{
	int ms = a->pages ? wgx_metrics_server_run(a->pages) : -1;

	if (ms >= -1)
		return ms;
	wgx_log(WGX_LOG_ERR, "health and metrics are not served any more");
	wgx_agent_pages_end(a);
	return -1;
}

void wgx_agent_pages_end(struct wgx_agent *a)
{
	wgx_event_close(a->epoll_fd, &a->pages_event);
	if (a->pages && a->options->http[0] == '/')
		unlink(a->options->http);
	wgx_metrics_server_close(a->pages);
	a->pages = NULL;
}
