/* SPDX-License-Identifier: MIT */
/* Where a peer is, and from which of our addresses it is answered. */
#ifndef WGX_DEVICE_ENDPOINT_H
#define WGX_DEVICE_ENDPOINT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

struct wgx_from;

/**
 * struct wgx_endpoint - destination and sticky source
 * @addr: sa_family AF_UNSPEC: not known
 * @src4, @src6: the local address that the peer last reached; zero: the kernel chooses
 * @src_if: IPv4: the device by which the peer reached @src4; zero: not known. @src4 is forgotten once the
 *	route to the peer leaves by another one (P-DT-10), and not learnt again by that device until routes
 *	change; IPv6 keeps @src6 while it is ours, as Linux does.
 */
struct wgx_endpoint {
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} addr;
	union {
		struct in_addr src4;
		struct in6_addr src6;
	};
	uint32_t src_if;
};
_Static_assert(sizeof(struct wgx_endpoint) == 48, "copied as six words");

/** struct wgx_endpoint_cell - an endpoint that many read without a lock (sequence lock) */
struct wgx_endpoint_cell {
	_Atomic uint32_t seq;
	_Atomic bool writing;
	_Atomic uint64_t words[6];
};

void wgx_endpoint_read(const struct wgx_endpoint_cell *c, struct wgx_endpoint *ret);
void wgx_endpoint_write(struct wgx_endpoint_cell *c, const struct wgx_endpoint *e);
/** wgx_endpoint_clear_source() - forget the sticky source, address and device, only */
void wgx_endpoint_clear_source(struct wgx_endpoint_cell *c);
/**
 * wgx_endpoint_refuse_source() - IPv4: forget the source address, and keep by which device it was heard
 *
 * Where packets come by one device and go by another, the address would be learnt from each and refused.
 */
void wgx_endpoint_refuse_source(struct wgx_endpoint_cell *c);
/** wgx_endpoint_is_news() - does a packet that came @from there tell more than what is @known? */
bool wgx_endpoint_is_news(const struct wgx_endpoint *known, const struct wgx_endpoint *from);
/** wgx_endpoint_equal() - same destination and same source; flow label ignored */
bool wgx_endpoint_equal(const struct wgx_endpoint *a, const struct wgx_endpoint *b);
/** wgx_endpoint_same_destination() - same address, port and scope */
bool wgx_endpoint_same_destination(const struct wgx_endpoint *a, const struct wgx_endpoint *b);
/**
 * wgx_endpoint_unscoped() - a link-local address of an unknown device, as AF_XDP tells it: none to roam to
 */
bool wgx_endpoint_unscoped(const struct wgx_endpoint *e);
/** wgx_endpoint_parse() - "1.2.3.4:5" or "[fe80::1%eth0]:5" (a scope may be a number); -EINVAL (no names are
 * resolved) */
int wgx_endpoint_parse(const char *text, struct wgx_endpoint *ret);
/** wgx_endpoint_format() - as wgx_endpoint_parse() takes it; @buf of WGX_ENDPOINT_TEXT */
#define WGX_ENDPOINT_TEXT 80
const char *wgx_endpoint_format(const struct wgx_endpoint *e, char buf[WGX_ENDPOINT_TEXT]);
/** wgx_parse_number() - decimal digits only, @len of them, at most @max; -EINVAL */
int wgx_parse_number(const char *text, size_t len, uint64_t max, uint64_t *ret);
/** wgx_endpoint_from() - what the protocol needs to know of it ([W] 5.4.7); ret->endpoint = @e */
void wgx_endpoint_from(const struct wgx_endpoint *e, struct wgx_from *ret);

#endif
