/* SPDX-License-Identifier: MIT */
#include "metrics/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct wgx_metrics_text {
	struct wgx_metrics_out o;
	json_t *answer;
	const struct wgx_family *families;
	size_t n_families;
	size_t family, interface, peer; /* what comes next */
	char *piece; /* written by o.out, of which @at is read */
	size_t len, at;
	struct wgx_metrics_text *more;
};

struct wgx_metrics_text *wgx_metrics_text_open(const struct wgx_family *families, size_t n,
					       json_t *answer, uint64_t took_ns)
{
	struct wgx_metrics_text *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->o.out = open_memstream(&t->piece, &t->len);
	if (!t->o.out) {
		free(t);
		return NULL;
	}
	t->families = families;
	t->n_families = n;
	t->answer = json_incref(answer);
	t->o.answer = answer;
	t->o.took_ns = took_ns;
	return t;
}

void wgx_metrics_text_append(struct wgx_metrics_text *t, struct wgx_metrics_text *more)
{
	while (t->more)
		t = t->more;
	t->more = more;
}

void wgx_metrics_text_close(struct wgx_metrics_text *t)
{
	while (t) {
		struct wgx_metrics_text *more = t->more;

		fclose(t->o.out);
		free(t->piece);
		json_decref(t->answer);
		free(t);
		t = more;
	}
}

static void next_family(struct wgx_metrics_text *t)
{
	t->family++;
	t->interface = t->peer = 0;
	t->o.headed = false;
}

/* One peer, or on to the next interface or family */
static void write_peers(struct wgx_metrics_text *t, const struct wgx_family *f)
{
	const json_t *interface =
		json_array_get(json_object_get(t->answer, "interfaces"), t->interface);
	const json_t *peer = json_array_get(json_object_get(interface, "peers"), t->peer);

	if (peer) {
		f->write_peer(&t->o, f, interface, peer);
		t->peer++;
	} else if (interface) {
		t->interface++;
		t->peer = 0;
	} else {
		next_family(t);
	}
}

/* Another piece, maybe empty, over the last one */
static int write_piece(struct wgx_metrics_text *t)
{
	const struct wgx_family *f = &t->families[t->family];

	rewind(t->o.out);
	t->at = 0;
	if (f->write_peer) {
		write_peers(t, f);
	} else {
		f->write(&t->o, f);
		next_family(t);
	}
	return fflush(t->o.out) || ferror(t->o.out) ? -ENOMEM : 0;
}

ssize_t wgx_metrics_text_read(struct wgx_metrics_text *t, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		size_t n = t->len - t->at;

		if (!n) {
			int err;

			if (t->family == t->n_families && !t->more)
				break;
			if (t->family == t->n_families) {
				t = t->more;
				continue;
			}
			err = write_piece(t);
			if (err)
				return err;
			continue;
		}
		if (n > size - len)
			n = size - len;
		memcpy(buf + len, t->piece + t->at, n);
		t->at += n;
		len += n;
	}
	return (ssize_t)len;
}
