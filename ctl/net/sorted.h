/* SPDX-License-Identifier: MIT */
/* An array of equal items kept in order: found by bisection, at home in one piece of memory. */
#ifndef WGX_NET_SORTED_H
#define WGX_NET_SORTED_H

#include <stdbool.h>
#include <stddef.h>

struct wgx_sorted {
	char *items;
	size_t n, room;
	size_t item_size;
	int (*compare)(const void *a, const void *b);
};

static inline void *wgx_sorted_at(const struct wgx_sorted *s, size_t i)
{
	return s->items + i * s->item_size;
}

/** wgx_sorted_find() - is an item equal to @key there? *@ret_i: where it is, or where it would be */
bool wgx_sorted_find(const struct wgx_sorted *s, const void *key, size_t *ret_i);
/** wgx_sorted_insert() - a copy of @item at @i, as wgx_sorted_find() gave it; -ENOMEM */
int wgx_sorted_insert(struct wgx_sorted *s, size_t i, const void *item);
void wgx_sorted_remove(struct wgx_sorted *s, size_t i);
void wgx_sorted_free(struct wgx_sorted *s);

#endif
