/* SPDX-License-Identifier: MIT */
/*
 * From the peers that an interface has to those that it is to have, step by step, and why. What comes in goes first:
 * a network moves from peer to peer at once, with no moment in which it is nobody's, and nothing is ever replaced
 * whole. What goes, goes last.
 *
 * Pure.
 */
#ifndef WGX_AGENT_PLAN_H
#define WGX_AGENT_PLAN_H

#include <stdio.h>
#include "agent/have.h"
#include "agent/rules.h"

/* In this order */
enum wgx_step_kind {
	WGX_STEP_ADD_PEER, /* with endpoint and keepalive */
	WGX_STEP_ADD_PREFIX, /* from whoever has it */
	WGX_STEP_SET_ENDPOINT,
	WGX_STEP_SET_KEEPALIVE,
	WGX_STEP_REMOVE_PREFIX,
	WGX_STEP_REMOVE_PEER,
};

/** struct wgx_step - @why: part of a sentence; @name: of the node, empty where none has the key */
struct wgx_step {
	enum wgx_step_kind kind;
	uint8_t key[WGX_KEY_LEN];
	char name[WGX_NODE_NAME_MAX + 1];
	struct wgx_endpoint endpoint;
	uint16_t keepalive;
	struct wgx_prefix prefix;
	const char *why;
};

struct wgx_plan {
	struct wgx_step *steps;
	size_t n, room;
};

/* A peer that answers has had a handshake within REJECT_AFTER_TIME ([W] 6.1). */
#define WGX_PLAN_STALE_S 180

/**
 * wgx_plan_make() - what is to be done
 * @now: Unix time in seconds, for the age of handshakes
 * @ret: for wgx_plan_free()
 *
 * A peer that has roamed is left where it is, unless its node tells of a new endpoint or it has gone silent there.
 * Return: 0 or -ENOMEM.
 */
int wgx_plan_make(const struct wgx_want *want, const struct wgx_have *have, int64_t now,
		  struct wgx_plan *ret);
void wgx_plan_free(struct wgx_plan *p);

/** wgx_step_uapi() - as lines of a set=1 request; returns their length, at most @size - 1 */
int wgx_step_uapi(const struct wgx_step *s, char *text, size_t size);
#define WGX_STEP_UAPI_MAX 512

/** wgx_step_text() - "node-b KEY: allow 10.1.2.0/24: it is a pod CIDR of its node"; returns @text */
const char *wgx_step_text(const struct wgx_step *s, char *text, size_t size);
#define WGX_STEP_TEXT_MAX 640

#endif
