/* SPDX-License-Identifier: MIT */
#include "net/sorted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool wgx_sorted_find(const struct wgx_sorted *s, const void *key, size_t *ret_i)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = s->compare(wgx_sorted_at(s, mid), key);

		if (!c) {
			*ret_i = mid;
			return true;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_i = low;
	return false;
}

static int grow(struct wgx_sorted *s)
{
	size_t room = s->room ? 2 * s->room : 16;
	char *items = reallocarray(s->items, room, s->item_size);

	if (!items)
		return -ENOMEM;
	s->items = items;
	s->room = room;
	return 0;
}

int wgx_sorted_insert(struct wgx_sorted *s, size_t i, const void *item)
{
	if (s->n == s->room && grow(s))
		return -ENOMEM;
	memmove(s->items + (i + 1) * s->item_size, s->items + i * s->item_size,
		(s->n - i) * s->item_size);
	memcpy(s->items + i * s->item_size, item, s->item_size);
	s->n++;
	return 0;
}

void wgx_sorted_remove(struct wgx_sorted *s, size_t i)
{
	s->n--;
	memmove(s->items + i * s->item_size, s->items + (i + 1) * s->item_size,
		(s->n - i) * s->item_size);
}

void wgx_sorted_free(struct wgx_sorted *s)
{
	free(s->items);
	s->items = NULL;
	s->n = s->room = 0;
}
