/* SPDX-License-Identifier: MIT */
#include "path/staged.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct staged_frame {
	STAILQ_ENTRY(staged_frame) link;
	struct wgx_frame frame; /* one slice: @data + WGX_SEGMENT_HEADERS_MAX */
	unsigned int packets;
	uint8_t data[];
};

struct wgx_staged {
	STAILQ_HEAD(, staged_frame) frames;
	unsigned int packets;
	struct staged_frame *taken; /* given out by wgx_staged_take() */
};

static struct staged_frame *copy_frame(const struct wgx_frame *frame, unsigned int packets)
{
	/* room for a segment's headers before, and for padding behind */
	struct staged_frame *f =
		malloc(sizeof(*f) + WGX_SEGMENT_HEADERS_MAX + frame->len + WGX_SEGMENT_HEADERS_MAX);
	uint8_t *to;

	if (!f)
		return NULL;
	to = f->data + WGX_SEGMENT_HEADERS_MAX;
	f->packets = packets;
	f->frame = *frame;
	f->frame.iov[0] = (struct iovec){.iov_base = to, .iov_len = frame->len};
	f->frame.n = 1;
	for (unsigned int i = 0; i < frame->n; i++) {
		memcpy(to, frame->iov[i].iov_base, frame->iov[i].iov_len);
		to += frame->iov[i].iov_len;
	}
	return f;
}

static struct staged_frame *pop(struct wgx_staged *s)
{
	struct staged_frame *f = STAILQ_FIRST(&s->frames);

	if (f) {
		STAILQ_REMOVE_HEAD(&s->frames, link);
		s->packets -= f->packets;
	}
	return f;
}

unsigned int wgx_staged_put(struct wgx_staged **staged, const struct wgx_frame *frame,
			    unsigned int packets)
{
	struct wgx_staged *s = *staged;
	struct staged_frame *f = copy_frame(frame, packets);
	unsigned int lost = 0;

	if (f && !s) {
		s = *staged = calloc(1, sizeof(*s));
		if (s)
			STAILQ_INIT(&s->frames);
	}
	if (!f || !s) {
		free(f);
		return packets;
	}
	STAILQ_INSERT_TAIL(&s->frames, f, link);
	s->packets += packets;
	/* a lone superframe may hold more than the bound: it is one write of the application, and stays */
	while (s->packets > WGX_STAGED_PACKETS && STAILQ_FIRST(&s->frames) != f) {
		struct staged_frame *old = pop(s);

		lost += old->packets;
		free(old);
	}
	return lost;
}

bool wgx_staged_take(struct wgx_staged *s, struct wgx_frame *ret)
{
	if (!s)
		return false;
	free(s->taken);
	s->taken = pop(s);
	if (!s->taken)
		return false;
	*ret = s->taken->frame;
	return true;
}

bool wgx_staged_any(const struct wgx_staged *s)
{
	return s && !STAILQ_EMPTY(&s->frames);
}

unsigned int wgx_staged_drop(struct wgx_staged *s)
{
	unsigned int dropped = s ? s->packets : 0;

	while (s && s->packets)
		free(pop(s));
	return dropped;
}

void wgx_staged_free(struct wgx_staged *s)
{
	if (!s)
		return;
	wgx_staged_drop(s);
	free(s->taken);
	free(s);
}
