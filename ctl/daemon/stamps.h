/* SPDX-License-Identifier: MIT */
/*
 * The timestamps of our initiations never go backwards (P-HS-3), not over a restart nor with a clock that is
 * set back: a peer would refuse every handshake until the clock has caught up.
 *
 * The file `stamp` in the state directory holds a mark that no daemon of this host has sent a stamp beyond.
 * It is written ahead: a minute at a time, and before the first stamp of that minute is sent. So whatever
 * moment a daemon dies at, the next one, which goes on from the mark, is later than it. Daemons of several
 * network namespaces share the file.
 */
#ifndef WGX_DAEMON_STAMPS_H
#define WGX_DAEMON_STAMPS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <wgx/wire.h>

/** struct wgx_stamps - the stamps of all interfaces of this daemon; @lock is a leaf */
struct wgx_stamps {
	pthread_mutex_t lock;
	int dir_fd; /* -1: nothing is kept */
	char path[256]; /* of the file, for people */
	uint8_t sent[WGX_TIMESTAMP_LEN]; /* the latest there was, as far as it is ours to know */
	uint8_t mark[WGX_TIMESTAMP_LEN]; /* the file's, when last looked at */
	uint8_t written[WGX_TIMESTAMP_LEN]; /* the last mark that we wrote ourselves */
	bool lost; /* the file was damaged: it has to be written again */
	bool failing; /* the user has been told */
};

/** wgx_stamps_open() - makes @dir if need be. What fails is logged, and then nothing is kept. */
void wgx_stamps_open(struct wgx_stamps *s, const char *dir);
void wgx_stamps_close(struct wgx_stamps *s);
/**
 * wgx_stamps_read() - the mark in @dir, as Unix time in seconds; for who only looks
 * Return: 0, -ENOENT (there is none), -EBADMSG (damaged), or another negative errno.
 */
int wgx_stamps_read(const char *dir, uint64_t *ret);
/** wgx_stamps_floor() - raise @stamp to the latest that anybody on this host may have sent; any thread */
void wgx_stamps_floor(struct wgx_stamps *s, uint8_t stamp[WGX_TIMESTAMP_LEN]);
/** wgx_stamps_reserve() - @stamp is about to be sent: the mark is on disk when this returns; any thread */
void wgx_stamps_reserve(struct wgx_stamps *s, const uint8_t stamp[WGX_TIMESTAMP_LEN]);

#endif
