/* SPDX-License-Identifier: MIT */
#include "path/umem.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wgx/bpf_abi.h>

/* Sealing pads a packet in place: the last one may write a few bytes past its chunk. */
#define SPARE 4096

static int map(struct wgx_umem *u, int fd, uint32_t chunks)
{
	size_t size = (size_t)chunks * WGX_CHUNK_SIZE;
	void *base =
		mmap(NULL, size + SPARE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	/* it holds plaintext */
	madvise(base, size + SPARE, MADV_DONTDUMP);
	*u = (struct wgx_umem){.memfd = fd, .base = base, .size = size, .chunks = chunks};
	return 0;
}

int wgx_umem_create(struct wgx_umem *u, uint32_t chunks)
{
	int fd = memfd_create("wgx-umem", MFD_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)chunks * WGX_CHUNK_SIZE + SPARE))
		err = -errno;
	if (!err)
		err = map(u, fd, chunks);
	if (err)
		close(fd);
	return err;
}

int wgx_umem_adopt(struct wgx_umem *u, int memfd, uint32_t chunks)
{
	struct stat st;

	if (fstat(memfd, &st))
		return -errno;
	return st.st_size == (off_t)chunks * WGX_CHUNK_SIZE + SPARE ? map(u, memfd, chunks)
								    : -EINVAL;
}

void wgx_umem_destroy(struct wgx_umem *u)
{
	if (!u->base)
		return;
	munmap(u->base, u->size + SPARE);
	close(u->memfd);
	*u = (struct wgx_umem){.memfd = -1};
}
