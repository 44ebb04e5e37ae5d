/* SPDX-License-Identifier: MIT */
/* The families of metrics, and how a sample of them is written. */
#ifndef WGX_METRICS_FAMILIES_H
#define WGX_METRICS_FAMILIES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

/* What the daemon said, and where the text goes. */
struct wgx_metrics_out {
	FILE *out;
	bool headed; /* HELP and TYPE of the present family are out */
	const json_t *answer; /* NULL: none */
	uint64_t took_ns;
};

/**
 * struct wgx_family - what has one name
 * @group, @member: of the integer that a sample is, in an object of the answer; @group NULL: in that itself
 * @write: all samples of the answer
 * @write_peer: or those of one peer; families that have this are written peer by peer
 */
struct wgx_family {
	const char *name, *type, *help;
	const char *group, *member;
	void (*write)(struct wgx_metrics_out *o, const struct wgx_family *f);
	void (*write_peer)(struct wgx_metrics_out *o, const struct wgx_family *f,
			   const json_t *interface, const json_t *peer);
};

/** struct wgx_label - @value NULL: empty. A list of at most WGX_LABELS_MAX ends there or with @name NULL. */
struct wgx_label {
	const char *name, *value;
};
#define WGX_LABELS_MAX 5

/** wgx_family_put() - a sample, of an integer or a boolean; of anything else there is none. @labels: NULL: none */
void wgx_family_put(struct wgx_metrics_out *o, const struct wgx_family *f,
		    const struct wgx_label *labels, const json_t *value);
/** wgx_family_write() - the @write of a family that is a member of the answer, or of its @group, without labels */
void wgx_family_write(struct wgx_metrics_out *o, const struct wgx_family *f);

/* The daemon's */
extern const struct wgx_family wgx_families[];
extern const size_t wgx_families_count;

#endif
