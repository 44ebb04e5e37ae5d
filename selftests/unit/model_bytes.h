/* SPDX-License-Identifier: MIT */
/* A model as the bytes that another process gets of it (wgx restart), for test_handover and fuzz_handover. */
#ifndef WGX_UNIT_MODEL_BYTES_H
#define WGX_UNIT_MODEL_BYTES_H

#include "unit/fake_device.h"

#include "device/device_state.h"
#include "proto/codec.h"

/** write_model() - counted, and then written; what is @p of it is the caller's */
static inline struct wgx_codec write_model(struct fake *f)
{
	struct wgx_codec c = {0};

	wgx_device_lock(f->dev);
	wgx_device_codec(f->dev, &c);
	c = (struct wgx_codec){.p = malloc(c.at), .size = c.at};
	assert_non_null(c.p);
	wgx_device_codec(f->dev, &c);
	wgx_device_unlock(f->dev);
	assert_false(c.failed);
	assert_int_equal(c.at, c.size);
	return c;
}

#endif
