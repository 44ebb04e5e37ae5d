/* SPDX-License-Identifier: MIT */
#include "agent/members.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One that goes is no mass, however few there are. */
#define MASS_AT_LEAST 2

/* ---- the table ---- */

/* Return: its place, or where it belongs */
static size_t place_of(const struct wgx_members *m, const char *name, bool *found)
{
	size_t low = 0, high = m->n;

	*found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(m->items[middle]->node.name, name);

		if (!order) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct wgx_member *wgx_members_find(const struct wgx_members *m, const char *name)
{
	bool found;
	size_t i = place_of(m, name, &found);

	return found ? m->items[i] : NULL;
}

static int grow(struct wgx_members *m)
{
	size_t room = m->room ? 2 * m->room : 16;
	struct wgx_member **items = realloc(m->items, room * sizeof(struct wgx_member *));

	if (!items)
		return -ENOMEM;
	m->items = items;
	m->room = room;
	return 0;
}

static struct wgx_member *insert(struct wgx_members *m, const char *name)
{
	bool found;
	size_t i = place_of(m, name, &found);
	struct wgx_member *new;

	if (found)
		return m->items[i];
	if (m->n == m->room && grow(m))
		return NULL;
	new = calloc(1, sizeof(*new));
	if (!new)
		return NULL;
	wgx_node_set_name(&new->node, name);
	memmove(m->items + i + 1, m->items + i, (m->n - i) * sizeof(struct wgx_member *));
	m->items[i] = new;
	m->n++;
	return new;
}

static void free_member(struct wgx_member *member)
{
	wgx_node_free(&member->node);
	free(member);
}

void wgx_members_free(struct wgx_members *m)
{
	for (size_t i = 0; i < m->n; i++)
		free_member(m->items[i]);
	free(m->items);
	m->items = NULL;
	m->n = m->room = 0;
}

/* ---- what the registry tells ---- */

/* Of a key: the first to hold it, in whatever part, keeps its turn. 0: nobody did */
static uint64_t order_of(const struct wgx_member *old, const uint8_t key[WGX_KEY_LEN])
{
	const struct wgx_node *n = &old->node;

	if (n->has_key && !memcmp(n->key, key, WGX_KEY_LEN))
		return old->key_order;
	if (n->has_next && !memcmp(n->next, key, WGX_KEY_LEN))
		return old->next_order;
	if (n->has_previous && !memcmp(n->previous, key, WGX_KEY_LEN))
		return old->previous_order;
	return 0;
}

static uint64_t next_order(struct wgx_members *m, uint64_t known)
{
	return known ? known : ++m->order;
}

/* Whoever was gone and is back holds what it holds from now on: another may have it by now. */
static void take_turns(struct wgx_members *m, struct wgx_member *member, const struct wgx_node *new)
{
	struct wgx_member old = *member;

	if (old.gone)
		old = (struct wgx_member){0};
	member->key_order = next_order(m, new->has_key ? order_of(&old, new->key) : 1);
	member->next_order = next_order(m, new->has_next ? order_of(&old, new->next) : 1);
	member->previous_order =
		next_order(m, new->has_previous ? order_of(&old, new->previous) : 1);
	member->cidr_order =
		next_order(m, wgx_node_same_cidrs(&old.node, new) ? old.cidr_order : 0);
}

int wgx_members_upsert(struct wgx_members *m, const struct wgx_node *node)
{
	struct wgx_member *member = insert(m, node->name);
	struct wgx_node copy;

	if (!member)
		return -ENOMEM;
	member->listed = true;
	if (!member->gone && !member->problem[0] && member->cidr_order &&
	    wgx_node_equal(&member->node, node))
		return 0;
	if (wgx_node_copy(&copy, node))
		return -ENOMEM;
	take_turns(m, member, node);
	wgx_node_free(&member->node);
	member->node = copy;
	member->gone = false;
	member->problem[0] = '\0';
	return 1;
}

int wgx_members_refuse(struct wgx_members *m, const char *name, const char *problem)
{
	struct wgx_member *member = insert(m, name);

	if (!member)
		return -ENOMEM;
	member->listed = true;
	if (!member->gone && !strncmp(member->problem, problem, sizeof(member->problem) - 1))
		return 0;
	member->gone = false;
	snprintf(member->problem, sizeof(member->problem), "%s", problem);
	return 1;
}

static bool begin_grace(struct wgx_member *member, uint64_t now)
{
	if (member->gone)
		return false;
	member->gone = true;
	member->gone_since = now;
	return true;
}

bool wgx_members_delete(struct wgx_members *m, const char *name, uint64_t now)
{
	struct wgx_member *member = wgx_members_find(m, name);

	return member && begin_grace(member, now);
}

void wgx_members_begin(struct wgx_members *m)
{
	for (size_t i = 0; i < m->n; i++)
		m->items[i]->listed = false;
}

bool wgx_members_end(struct wgx_members *m, uint64_t now)
{
	bool changed = !m->synced;

	for (size_t i = 0; i < m->n; i++)
		if (!m->items[i]->listed)
			changed |= begin_grace(m->items[i], now);
	m->synced = true;
	return changed;
}

void wgx_members_lost(struct wgx_members *m)
{
	m->synced = false;
}

/* ---- who goes ---- */

static size_t count_gone(const struct wgx_members *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += m->items[i]->gone;
	return n;
}

/* All that are gone count, whether their time has come or not. */
static bool is_mass(const struct wgx_members *m, size_t gone)
{
	return !m->accept && gone >= MASS_AT_LEAST && 2 * gone > m->n;
}

static bool is_over(const struct wgx_members *m, const struct wgx_member *member, uint64_t now)
{
	return member->gone && (m->accept || now >= member->gone_since + m->grace_ms);
}

static size_t count_over(const struct wgx_members *m, uint64_t now)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += is_over(m, m->items[i], now);
	return n;
}

static uint64_t next_end(const struct wgx_members *m)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < m->n; i++)
		if (m->items[i]->gone && m->items[i]->gone_since + m->grace_ms < next)
			next = m->items[i]->gone_since + m->grace_ms;
	return next;
}

static void remove_over(struct wgx_members *m, uint64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n; i++) {
		if (is_over(m, m->items[i], now))
			free_member(m->items[i]);
		else
			m->items[kept++] = m->items[i];
	}
	m->n = kept;
}

/* Some of a mass are back: the others are about to be, perhaps, and have a grace time once more. */
static void renew_grace(struct wgx_members *m, uint64_t now)
{
	for (size_t i = 0; i < m->n; i++)
		m->items[i]->gone_since = now;
}

bool wgx_members_expire(struct wgx_members *m, uint64_t now, uint64_t *ret_next)
{
	size_t over = count_over(m, now);

	*ret_next = UINT64_MAX;
	m->held = 0;
	if (!m->synced)
		return false;
	if (over && is_mass(m, count_gone(m))) {
		m->held = count_gone(m);
		m->was_mass = true;
		return false;
	}
	if (m->was_mass && !m->accept) {
		renew_grace(m, now);
		over = 0;
	}
	m->was_mass = false;
	remove_over(m, now);
	m->accept = false;
	*ret_next = next_end(m);
	return over;
}

size_t wgx_members_accept(struct wgx_members *m)
{
	size_t gone = count_gone(m);

	m->accept = gone;
	return gone;
}
