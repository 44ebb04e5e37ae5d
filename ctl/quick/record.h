/* SPDX-License-Identifier: MIT */
/*
 * What up has done, so that down, or up itself when a step fails, can undo just that: the file may have been
 * edited since, and the interface may be gone. It is kept in /run/wgx/INODE.NAME.up, as JSON, without secrets.
 */
#ifndef WGX_QUICK_RECORD_H
#define WGX_QUICK_RECORD_H

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>
#include "net/fib.h"

/**
 * struct wgx_record - of one interface of this network namespace
 * @done: what was done; an object
 * @found: it was there before: another run of wgx has left it
 * @lock: held while an up or down of this interface is at work
 */
struct wgx_record {
	char name[IFNAMSIZ];
	json_t *done;
	bool found;
	int lock;
};

/**
 * wgx_record_open() - read it, or begin an empty one
 * Return: 0, -EBUSY (another up or down of it is at work), or negative errno. For wgx_record_close().
 * One that is damaged is as none.
 */
int wgx_record_open(const char *name, struct wgx_record *ret);
void wgx_record_close(struct wgx_record *r);

/* Each note is written to the file; 0 or negative errno. */
int wgx_record_text(struct wgx_record *r, const char *what, const char *value);
/** wgx_record_add() - to the texts that are known under @what */
int wgx_record_add(struct wgx_record *r, const char *what, const char *value);
int wgx_record_rule(struct wgx_record *r, const struct wgx_rule *rule);
/** wgx_record_get() - the text noted under @what; NULL: none */
const char *wgx_record_get(const struct wgx_record *r, const char *what);

/** wgx_record_says() - @value is noted under @what, alone or in a list */
bool wgx_record_says(const struct wgx_record *r, const char *what, const char *value);

/** wgx_record_rule_at() - the rule of index @i; -ENOENT: there are fewer; -EBADMSG: there is something else */
int wgx_record_rule_at(const struct wgx_record *r, size_t i, struct wgx_rule *ret);

/** wgx_record_delete() - all is undone: the file goes. Return: 0 or negative errno */
int wgx_record_delete(struct wgx_record *r);

/**
 * wgx_record_shared() - has another interface of this namespace noted @value under @what, alone or in a list?
 * Return: 1, 0, or negative errno: nobody knows
 */
int wgx_record_shared(const struct wgx_record *r, const char *what, const char *value);

/** wgx_record_path() - /run/wgx/INODE.NAMEENDING; 0 or negative errno */
int wgx_record_path(const char *name, const char *ending, char *path, size_t size);

#endif
