#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux 6.12's drivers/net/virtio_net.c, with what it lacks of AF_XDP with zero-copy (it is complete since 6.13).

    virtio_net.py <virtio_net.c >virtio_net.c.new

- It has all of receiving but that it says so, without which bind(2) fails (xp_assign_dev() in net/xdp/xsk_buff_pool.c:
  EOPNOTSUPP), and but that the device is told where: a chunk's address is put into a scatterlist as already mapped, while
  the virtqueue maps what it gets, and so maps no page at all. Here it gets the chunk's page.
- It binds the send queue to the socket, and takes nothing out of it. Here it does, in the queue's NAPI.

Fails where the source is not as expected.
"""
import sys

source = sys.stdin.read()


def change(old, new):
    global source
    if source.count(old) != 1:
        sys.exit(f"virtio_net.py: {source.count(old)} times: {old.strip()}")
    source = source.replace(old, new)


# it says so
change(
    "dev->xdp_features = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT;",
    "dev->xdp_features = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT | NETDEV_XDP_ACT_XSK_ZEROCOPY;",
)

# receiving
change(
    "		sg_fill_dma(rq->sg, addr, len);\n",
    "		(void)addr;\n		set_chunk(rq->sg, xsk_buffs[i]->data_hard_start + XDP_PACKET_HEADROOM - vi->hdr_len, len);\n",
)
change(
    "static void sg_fill_dma(struct scatterlist *sg, dma_addr_t addr, u32 len)\n",
    """/* A UMEM is mapped page by page, and a chunk is in one. */
static void set_chunk(struct scatterlist *sg, void *data, u32 len)
{
	sg_set_page(sg, vmalloc_to_page(data), len, offset_in_page(data));
}

static __maybe_unused void sg_fill_dma(struct scatterlist *sg, dma_addr_t addr, u32 len)
""",
)

# sending
change(
    "	dma_addr_t xsk_hdr_dma_addr;\n};\n",
    """	dma_addr_t xsk_hdr_dma_addr;
	struct virtio_net_hdr_mrg_rxbuf chunk_hdr; /* zero: no offloads */
};

#define CHUNK_SENT ((void *)BIT(2)) /* no skb's address, and no frame's */
""",
)
change(
    "	while ((ptr = virtqueue_get_buf(sq->vq, &len)) != NULL) {\n		if (!is_xdp_frame(ptr)) {\n",
    """	while ((ptr = virtqueue_get_buf(sq->vq, &len)) != NULL) {
		if (ptr == CHUNK_SENT) {
			if (sq->xsk_pool)
				xsk_tx_completed(sq->xsk_pool, 1);
		} else if (!is_xdp_frame(ptr)) {
""",
)
change(
    "static int virtnet_poll_tx(struct napi_struct *napi, int budget)\n",
    """/* What is in the socket's ring, as far as there is room; under the queue's lock */
static void send_chunks(struct virtnet_info *vi, struct send_queue *sq)
{
	struct xsk_buff_pool *pool = sq->xsk_pool;
	struct xdp_desc desc;
	bool any = false;

	while (sq->vq->num_free >= 4 + MAX_SKB_FRAGS && xsk_tx_peek_desc(pool, &desc)) {
		sg_init_table(sq->sg, 2);
		sg_set_buf(&sq->sg[0], &sq->chunk_hdr, vi->hdr_len);
		set_chunk(&sq->sg[1], xsk_buff_raw_get_data(pool, desc.addr), desc.len);
		if (virtqueue_add_outbuf(sq->vq, sq->sg, 2, CHUNK_SENT, GFP_ATOMIC))
			xsk_tx_completed(pool, 1);
		any = true;
	}
	if (any) {
		xsk_tx_release(pool);
		virtqueue_kick(sq->vq);
	}
	if (xsk_uses_need_wakeup(pool))
		xsk_set_tx_need_wakeup(pool);
}

static int virtnet_poll_tx(struct napi_struct *napi, int budget)
""",
)
change(
    """	virtqueue_disable_cb(sq->vq);
	free_old_xmit(sq, txq, !!budget);

	if (sq->vq->num_free""",
    """	virtqueue_disable_cb(sq->vq);
	free_old_xmit(sq, txq, !!budget);
	if (sq->xsk_pool)
		send_chunks(vi, sq);

	if (sq->vq->num_free""",
)
change(
    "	if (!is_xdp_frame(buf))\n		dev_kfree_skb(buf);\n",
    "	if (buf == CHUNK_SENT)\n		return;\n	if (!is_xdp_frame(buf))\n		dev_kfree_skb(buf);\n",
)
sys.stdout.write(source)
