/* SPDX-License-Identifier: MIT */
/* Memory that waits for its next use: under AddressSanitizer nobody may touch it meanwhile. */
#ifndef WGX_PROTO_POISON_H
#define WGX_PROTO_POISON_H

#if defined(__SANITIZE_ADDRESS__)
#define WGX_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WGX_ASAN 1
#endif
#endif

#ifdef WGX_ASAN
#include <sanitizer/asan_interface.h>
#define wgx_poison(p, n) __asan_poison_memory_region(p, n)
#define wgx_unpoison(p, n) __asan_unpoison_memory_region(p, n)
#else
#define wgx_poison(p, n) ((void)(p), (void)(n))
#define wgx_unpoison(p, n) ((void)(p), (void)(n))
#endif

#endif
