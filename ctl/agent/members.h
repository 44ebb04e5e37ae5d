/* SPDX-License-Identifier: MIT */
/*
 * Who belongs to the cluster, from what a registry tells and takes back. No member goes because time has passed: only
 * where its record was deleted, a grace time after that, and never while the registry does not answer. Where more
 * than half of all would go, all of these are held until they come back or somebody lets them go.
 *
 * Pure: times are parameters, in milliseconds of one clock. One thread.
 */
#ifndef WGX_AGENT_MEMBERS_H
#define WGX_AGENT_MEMBERS_H

#include "agent/node.h"

/**
 * struct wgx_member - another node than this one
 * @node: its last good record
 * @key_order, @next_order, @previous_order, @cidr_order: when it was first to hold what it holds; the lower came first
 * @gone_since: while @gone: when its record went
 * @problem: what is wrong with the record that it has now; empty: nothing
 * @listed: in the snapshot that is being read
 * @reported: a bit for each reason for which it was refused, and that was told
 * @told: the endpoint that the interface was last given for it; AF_UNSPEC: none
 */
struct wgx_member {
	struct wgx_node node;
	uint64_t key_order, next_order, previous_order, cidr_order;
	uint64_t gone_since;
	bool gone, listed;
	unsigned int reported;
	char problem[256];
	struct wgx_endpoint told;
};

/**
 * struct wgx_members - all zero but for @grace_ms is empty
 * @items: sorted by name
 * @synced: the registry has told all that it has, and answers
 * @held: how many are gone and not let go, though the time of one at least has come
 * @was_mass: they were, when it was last looked
 */
struct wgx_members {
	struct wgx_member **items;
	size_t n, room;
	uint64_t order, grace_ms;
	bool synced, accept, was_mass;
	size_t held;
};

/** wgx_members_find() - or NULL */
struct wgx_member *wgx_members_find(const struct wgx_members *m, const char *name);
/** wgx_members_upsert() - 1: something has changed, 0: nothing has, -ENOMEM */
int wgx_members_upsert(struct wgx_members *m, const struct wgx_node *node);
/** wgx_members_refuse() - there is a record, and it cannot be read: the last good one stays. As upsert(). */
int wgx_members_refuse(struct wgx_members *m, const char *name, const char *problem);
/** wgx_members_delete() - its record is gone; the grace time begins. Return: was there one? */
bool wgx_members_delete(struct wgx_members *m, const char *name, uint64_t now);

/** wgx_members_begin() - a list of all records begins; then upsert() and refuse() */
void wgx_members_begin(struct wgx_members *m);
/** wgx_members_end() - it was whole: whoever was not listed is gone. Return: has anything changed? */
bool wgx_members_end(struct wgx_members *m, uint64_t now);
/** wgx_members_lost() - the registry does not answer: nobody goes */
void wgx_members_lost(struct wgx_members *m);

/**
 * wgx_members_expire() - let those go whose grace time is over
 * @ret_next: when to call again at the latest; UINT64_MAX: when something happens
 *
 * Return: has any gone?
 */
bool wgx_members_expire(struct wgx_members *m, uint64_t now, uint64_t *ret_next);
/** wgx_members_accept() - those that are gone now go with the next expire(). Return: how many are gone */
size_t wgx_members_accept(struct wgx_members *m);

/** wgx_members_free() - what it holds */
void wgx_members_free(struct wgx_members *m);

#endif
