/* SPDX-License-Identifier: MIT */
/*
 * From one process to the next without a packet lost: what is said on the control socket, and the state as bytes and
 * descriptors.
 *
 *	new                                       old
 *	{"cmd":"handover","format":N}  ────────►  refused where N is not its own
 *	                               ◄────────  'L' with the lock of the namespace, and a line: ok
 *	starts, with all threads standing
 *	{"cmd":"freeze"}               ────────►  devices are detached; all threads stand
 *	                               ◄────────  'S', sizes, a sealed memfd; descriptors
 *	makes all anew on these, and puts its
 *	programs in the place of the old ones
 *	'C'                            ────────►  wipes the memfd
 *	                               ◄────────  'A', and ends: it never seals again
 *	threads go on
 *
 * Until 'C' the old process has everything. Where the new one ends, says 'F' with a reason or takes too long, it is
 * killed, and the old one's threads go on, its programs in their places again. Who has said 'C' does nothing
 * without 'A'. So at no moment do two processes seal, and none that has not seen the other stand still.
 */
#ifndef WGX_DAEMON_HANDOVER_H
#define WGX_DAEMON_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wgx/bpf_abi.h>
#include "net/link.h"
#include "path/bind.h"
#include "proto/codec.h"

struct wgx_daemon;

/* Of all that is in the state, and of the dialog: a change of either changes it. */
#define WGX_HANDOVER_FORMAT 3

/** struct wgx_handover - the state: bytes and, in the order in which they are named there, descriptors */
struct wgx_handover {
	struct wgx_codec c;
	int *fds; /* writing: those of their owners; reading: -1 once taken */
	uint32_t n_fds, next;
	int error; /* what failed, where more is known of it; 0: the bytes */
};

/** wgx_handover_fd() - a descriptor; -1: none. Reading: the caller's now. */
void wgx_handover_fd(struct wgx_handover *h, int *fd);

/** struct wgx_inherited - what an interface is made of; descriptors -1: none */
struct wgx_inherited {
	struct wgx_link link;
	bool superframes;
	int sockets[WGX_BIND_SOCKETS];
	int xsk[WGX_QUEUES_MAX], umem[WGX_QUEUES_MAX]; /* as many as @link has queues */
	uint32_t ring_size;
	bool multi_buffer;
	int egress, steer; /* links */
	int listener; /* UAPI */
};

/**
 * wgx_handover_give() - to the process behind @fd: freeze, and either end this process, or go on as if nothing had been
 * Return: a negative errno with @error, of @size bytes, for people. It does not return where the other has taken over.
 */
int wgx_handover_give(struct wgx_daemon *d, int fd, char *error, size_t size);

/** wgx_handover_ask() - connect to the daemon of this namespace and ask for it
 * @ret_fd: the connection; @ret_lock: as wgx_netns_succeed() takes it; @ret_n: how many interfaces it has. 0, or a negative errno with @error: nothing
 *	has changed; -EPROTO: it hands over in another format, or not at all
 */
int wgx_handover_ask(int *ret_fd, int *ret_lock, unsigned int *ret_n, char *error, size_t size);
/**
 * wgx_handover_take() - have the other freeze, and become what it was; @d's threads stand
 * @n: interfaces it had
 *
 * Return: 0: it has ended, and this is the daemon; else a negative errno with @error: the caller ends, and touches nothing
 */
int wgx_handover_take(struct wgx_daemon *d, int fd, unsigned int n, char *error, size_t size);
/** wgx_handover_open() - after that: threads and timers go on */
void wgx_handover_open(struct wgx_daemon *d);
/** wgx_handover_finish() - after that, and when the threads go on: what may take its time */
void wgx_handover_finish(struct wgx_daemon *d);

#endif
