/* SPDX-License-Identifier: MIT */
/* Checksums that a sender on this machine has left to a device, where nobody tells which. */
#ifndef WGX_PATH_UNFINISHED_H
#define WGX_PATH_UNFINISHED_H

#include <stdbool.h>
#include <stdint.h>
#include "path/segment.h"

/**
 * wgx_unfinished() - has the checksum of TCP or UDP yet to be completed?
 * @f: from the IP header on: one packet, IPv4 without options or IPv6 without extension headers
 * @ret_start, @ret_offset: as of struct wgx_frame, where it has
 *
 * It has where it is wrong, and there is the sum of the pseudo header in its place, from which the kernel goes on
 * (CHECKSUM_PARTIAL). One that is wrong otherwise is for the receiver to find. Return: true where it has.
 */
bool wgx_unfinished(const struct wgx_frame *f, uint16_t *ret_start, uint16_t *ret_offset);

#endif
