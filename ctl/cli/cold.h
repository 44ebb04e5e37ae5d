/* SPDX-License-Identifier: MIT */
/* A cold start: configuration goes from one daemon to the next, sessions do not. */
#ifndef WGX_CLI_COLD_H
#define WGX_CLI_COLD_H

/**
 * wgx_cold_restart() - read what the daemon is configured with, kill it, and configure another in its place
 * @lock: from wgx_start_lock(), still held afterwards
 *
 * Interfaces stay, with their addresses and routes, and so does strict mode. Session keys are gone, so each peer needs
 * one handshake. Return: an exit status, with the user told of a failure; before the daemon is killed, nothing has
 * changed where it fails.
 */
int wgx_cold_restart(int lock);

#endif
