/* SPDX-License-Identifier: MIT */
/* What the protocol asks of the model; the rest it hands on to the ops. All under dev->lock but wake. */
#include <stdatomic.h>
#include <sodium.h>
#include "device/device.h"
#include "device/model.h"
#include "device/secmem.h"

/* A keypair's memory: it is freed once no worker reads it. */
struct keypair_box {
	struct wgx_keypair kp;
	struct rcu_head rcu;
};

static struct wgx_session *find_key(void *ctx, const uint8_t public_key[WGX_KEY_LEN])
{
	struct wgx_peer *peer = wgx_device_find_peer(ctx, public_key);

	return peer ? &peer->session : NULL;
}

static struct wgx_session *find_index(void *ctx, uint32_t index, struct wgx_keypair **ret_keypair)
{
	struct wgx_device *dev = ctx;
	struct wgx_keypair *kp;
	struct wgx_peer *peer = wgx_index_find(dev->index, index, &kp);

	if (!peer || peer->dev != dev) /* the table is the whole daemon's */
		return NULL;
	if (ret_keypair)
		*ret_keypair = kp;
	return &peer->session;
}

static int index_new(void *ctx, struct wgx_session *s, uint32_t *ret_index)
{
	struct wgx_peer *peer = wgx_peer_of(s);
	struct wgx_device *dev = ctx;
	int err;

	err = wgx_index_new(dev->index, peer, ret_index);
	if (!err)
		dev->ops->mirror_receiver(dev, *ret_index, peer);
	return err;
}

static int index_claim(void *ctx, struct wgx_session *s, uint32_t index)
{
	struct wgx_peer *peer = wgx_peer_of(s);
	struct wgx_device *dev = ctx;
	int err;

	err = wgx_index_claim(dev->index, peer, index);
	if (!err)
		dev->ops->mirror_receiver(dev, index, peer);
	return err;
}

static void index_bind(void *ctx, uint32_t index, struct wgx_keypair *kp)
{
	struct wgx_device *dev = ctx;

	wgx_index_bind(dev->index, index, kp);
}

static void index_free(void *ctx, uint32_t index)
{
	struct wgx_device *dev = ctx;

	dev->ops->mirror_receiver(dev, index, NULL); /* before another may get the same one */
	wgx_index_free(dev->index, index);
}

static struct wgx_keypair *keypair_new(void *ctx)
{
	struct keypair_box *box = wgx_secmem_alloc(sizeof(*box));

	return box ? &box->kp : NULL;
}

static void free_box(struct rcu_head *rcu)
{
	wgx_secmem_free(caa_container_of(rcu, struct keypair_box, rcu), sizeof(struct keypair_box));
}

static void keypair_free(void *ctx, struct wgx_keypair *kp)
{
	if (kp)
		wgx_rcu_call(&caa_container_of(kp, struct keypair_box, kp)->rcu, free_box);
}

static void send_handshake(void *ctx, struct wgx_session *s, const void *msg, size_t len)
{
	struct wgx_device *dev = ctx;

	if (dev->up)
		dev->ops->send_handshake(dev, wgx_peer_of(s), msg, len);
}

static void send_reply(void *ctx, const struct wgx_from *to, const void *msg, size_t len)
{
	struct wgx_device *dev = ctx;

	if (dev->up)
		dev->ops->send_reply(dev, to->endpoint, msg, len);
}

static void seal_command(struct wgx_device *dev, struct wgx_session *s, uint32_t command)
{
	dev->ops->seal_command(dev, wgx_peer_of(s), command);
}

static void send_keepalive(void *ctx, struct wgx_session *s)
{
	struct wgx_device *dev = ctx;

	if (dev->up)
		seal_command(dev, s, WGX_SEAL_KEEPALIVE);
}

static void flush_staged(void *ctx, struct wgx_session *s)
{
	struct wgx_device *dev = ctx;

	if (dev->up)
		seal_command(dev, s, WGX_SEAL_FLUSH);
}

static void drop_staged(void *ctx, struct wgx_session *s)
{
	wgx_peer_staged_command(wgx_peer_of(s), WGX_SEAL_DROP);
}

/* Roaming by a handshake message; the destination is all that anybody is told of. */
static void set_endpoint(void *ctx, struct wgx_session *s, const struct wgx_from *from)
{
	struct wgx_peer *peer = wgx_peer_of(s);
	const struct wgx_endpoint *e = from->endpoint;
	struct wgx_device *dev = ctx;
	struct wgx_endpoint old;

	wgx_endpoint_read(&peer->endpoint, &old);
	if (!wgx_endpoint_is_news(&old, e) || wgx_endpoint_unscoped(e))
		return;
	wgx_endpoint_write(&peer->endpoint, e);
	if (!wgx_endpoint_same_destination(&old, e))
		dev->ops->mirror_peer(dev, peer, WGX_PEER_MOVED);
}

static void clear_source(void *ctx, struct wgx_session *s)
{
	wgx_endpoint_clear_source(&wgx_peer_of(s)->endpoint);
}

static void stamp_floor(void *ctx, uint8_t stamp[WGX_TIMESTAMP_LEN])
{
	struct wgx_device *dev = ctx;

	dev->ops->stamp_floor(dev, stamp);
}

static void stamp_reserve(void *ctx, const uint8_t stamp[WGX_TIMESTAMP_LEN])
{
	struct wgx_device *dev = ctx;

	dev->ops->stamp_reserve(dev, stamp);
}

static void tell(void *ctx, struct wgx_session *s, enum wgx_session_news news)
{
	static const enum wgx_peer_news peer_news[] = {
		[WGX_SESSION_HANDSHAKE] = WGX_PEER_HANDSHAKE,
		[WGX_SESSION_EXPIRED] = WGX_PEER_EXPIRED,
		[WGX_SESSION_UNANSWERED] = WGX_PEER_UNANSWERED,
	};
	struct wgx_device *dev = ctx;

	dev->ops->mirror_peer(dev, wgx_peer_of(s), peer_news[news]);
}

static void wake(void *ctx, struct wgx_session *s)
{
	struct wgx_device *dev = ctx;

	dev->ops->wake(dev, wgx_peer_of(s));
}

static void random_bytes(void *ctx, void *buf, size_t len)
{
	randombytes_buf(buf, len);
}

const struct wgx_upcalls wgx_device_upcalls = {
	.find_key = find_key,
	.find_index = find_index,
	.index_new = index_new,
	.index_claim = index_claim,
	.index_bind = index_bind,
	.index_free = index_free,
	.keypair_new = keypair_new,
	.keypair_free = keypair_free,
	.send_handshake = send_handshake,
	.send_reply = send_reply,
	.send_keepalive = send_keepalive,
	.flush_staged = flush_staged,
	.drop_staged = drop_staged,
	.set_endpoint = set_endpoint,
	.clear_source = clear_source,
	.stamp_floor = stamp_floor,
	.stamp_reserve = stamp_reserve,
	.tell = tell,
	.wake = wake,
	.random = random_bytes,
};
