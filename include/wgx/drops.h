/* SPDX-License-Identifier: MIT */
/*
 * Every reason for which wgx loses a packet, once. BPF and userspace, `wgx show`, the docs and the
 * tests are all made from this list. Append only: the numbers are keys of the pinned maps
 * `drops`.
 *
 * X(NAME, "label", "what happened")
 */
#ifndef WGX_DROPS_H
#define WGX_DROPS_H

/* clang-format off */
#define WGX_DROP_REASONS(X)                                                                        \
	/* BPF, wgx_egress on wg0 */                                                               \
	X(EGRESS_MALFORMED, "egress_malformed", "frame on wg0 is no valid IPv4 or IPv6 packet")    \
	X(EGRESS_CREDIT, "egress_credit", "seal ring over its credit: local congestion")           \
	X(EGRESS_BACKLOG, "egress_backlog", "the far end's receive backlog was full")              \
	X(EGRESS_NO_PEER, "egress_no_peer", "destination is in no peer's allowed IPs")             \
	/* BPF, wgx_ingress on the underlay */                                                     \
	X(INGRESS_MALFORMED, "ingress_malformed", "message of wrong type or length")               \
	X(INGRESS_UNKNOWN_RECEIVER, "ingress_unknown_receiver", "message for no known receiver")   \
	/* BPF, wgx_steer at a far end */                                                          \
	X(STEER_NO_RING, "steer_no_ring", "no AF_XDP socket listens, or its ring is full")         \
	/* seal worker */                                                                          \
	X(SEAL_UNSTAMPED, "seal_unstamped", "frame on wg0 that did not pass wgx_egress")           \
	X(SEAL_MALFORMED, "seal_malformed", "frame that contradicts its stamp or its headers")     \
	X(SEAL_NO_PEER, "seal_no_peer", "destination is in no peer's allowed IPs")                 \
	X(SEAL_NO_ENDPOINT, "seal_no_endpoint", "the peer has no endpoint yet")                    \
	X(SEAL_STAGED_FULL, "seal_staged_full", "128 packets already wait for a handshake")        \
	X(SEAL_STAGED_EXPIRED, "seal_staged_expired", "no handshake came about: staged packets dropped") \
	X(SEND_ERROR, "send_error", "the UDP socket refused a datagram")                           \
	X(SEND_TOO_BIG, "send_too_big", "a datagram exceeds what the path takes unfragmented")     \
	/* open worker */                                                                          \
	X(OPEN_MALFORMED, "open_malformed", "message with a wrong type or length")                 \
	X(OPEN_UNKNOWN_RECEIVER, "open_unknown_receiver", "data for no known receiver")            \
	X(OPEN_KEY_EXPIRED, "open_key_expired", "data under a key past its life")                  \
	X(OPEN_AUTH, "open_auth", "the AEAD tag is wrong")                                         \
	X(OPEN_REPLAY, "open_replay", "counter seen before, or behind the window")                 \
	X(OPEN_INNER_MALFORMED, "open_inner_malformed", "decrypted payload is no IP packet")       \
	X(OPEN_SOURCE, "open_source", "inner source address is not this peer's")                   \
	X(OPEN_ECN, "open_ecn", "unused: CE outside on a packet that cannot carry it is ignored")  \
	X(INJECT_ERROR, "inject_error", "wg0 refused a packet: it is down, say")                   \
	X(INJECT_BACKLOG, "inject_backlog", "wg0's receive backlog was full")                      \
	X(INJECT_MTU, "inject_mtu", "packet larger than wg0's MTU")                                \
	/* handshakes */                                                                           \
	X(HANDSHAKE_QUEUE, "handshake_queue", "handshake queue full")                              \
	X(HANDSHAKE_INVALID, "handshake_invalid", "handshake message that does not verify")        \
	X(HANDSHAKE_LIMIT, "handshake_limit", "handshake over its source's rate limit")            \
	X(HANDSHAKE_COOKIE, "handshake_cookie", "under load: answered with a cookie reply")        \
	/* later ones */                                                                           \
	X(EGRESS_LOOP, "egress_loop", "wg0's own encrypted packet was routed into wg0")            \
	X(INGRESS_MAC1, "ingress_mac1", "initiation or response whose mac1 is wrong")              \
	X(INGRESS_REPLAY, "ingress_replay", "counter far behind the window, or above the last")    \
	X(HANDSHAKE_SEND, "handshake_send", "the UDP socket refused a handshake message of ours")  \
	X(OPEN_STRAY, "open_stray", "message to a port or device that is ours no more")            \
	X(SOCKET_OVERFLOW, "socket_overflow", "the listening UDP socket had no room for it")       \
	X(SOCKET_CLOSED, "socket_closed", "it waited in the UDP socket when wg0 went down")        \
	X(EGRESS_LOST, "egress_lost", "lost between wg0 and its far end: its qdisc, say")          \
	X(STRICT_EGRESS, "strict_egress", "plaintext that should have gone into a tunnel")         \
	X(STRICT_INGRESS, "strict_ingress", "plaintext that claims to come out of a tunnel")       \
	X(SEND_UNRESOLVED, "send_unresolved", "the next hop's link-layer address was not to be had")
/* clang-format on */

enum wgx_drop_reason {
#define X(name, label, text) WGX_DROP_##name,
	WGX_DROP_REASONS(X)
#undef X
		WGX_DROP_COUNT
};

#endif
