/* SPDX-License-Identifier: MIT */
/*
 * What the agent keeps on disk, in a directory of its own (0700, files 0600): the keys of this node, and the nodes that
 * it knew last. With these it starts where the registry does not answer.
 */
#ifndef WGX_AGENT_STATE_H
#define WGX_AGENT_STATE_H

#include "agent/members.h"

/**
 * struct wgx_state - an open state directory, locked against other agents
 * @key: this node's private key, in locked memory; @public_key: of it
 * @next_key: the private key that is to follow, in locked memory; NULL: none
 * @has_previous: @previous was the public key before
 */
struct wgx_state {
	int dir;
	uint8_t *key, *next_key;
	uint8_t public_key[WGX_KEY_LEN], next_public_key[WGX_KEY_LEN], previous[WGX_KEY_LEN];
	bool has_previous;
};

/**
 * wgx_state_open() - make the directory where it is not there, take its lock, read the keys, or make one
 * @read_only: neither make anything nor take the lock; what is not there is NULL then
 * @ret: for wgx_state_close()
 * @error: for the user, of @size bytes, on failure
 *
 * Return: 0, -EBUSY (another agent has it), or another negative errno.
 */
int wgx_state_open(const char *path, bool read_only, struct wgx_state *ret, char *error,
		   size_t size);
void wgx_state_close(struct wgx_state *s);

/** wgx_state_next_key() - make the key that is to follow; one that is there stays. 0 or negative errno */
int wgx_state_next_key(struct wgx_state *s);
/** wgx_state_switch() - the next key is the key, and the key the previous one; 0 or negative errno */
int wgx_state_switch(struct wgx_state *s);
/** wgx_state_forget_previous() - 0 or negative errno */
int wgx_state_forget_previous(struct wgx_state *s);

/** wgx_state_save() - the members, and this node's networks; 0 or negative errno */
int wgx_state_save(const struct wgx_state *s, const struct wgx_members *m,
		   const struct wgx_node *self);
/**
 * wgx_state_load() - those that were saved, in the order in which they came to be; none where none were
 * @self: gets the networks of its pods, unless it has some
 *
 * Return: how many, or negative errno; what cannot be read is passed over.
 */
int wgx_state_load(const struct wgx_state *s, struct wgx_members *m, struct wgx_node *self);

#endif
