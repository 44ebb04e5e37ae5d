/* SPDX-License-Identifier: MIT */
/* The daemon that a tool speaks to as a peer. */
#ifndef WGX_TOOLS_CONNECT_H
#define WGX_TOOLS_CONNECT_H

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A UDP socket that is connected to an IPv4 address; -1: there is none, or it is no address */
static inline int connect_udp(const char *address, const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return -1;
	return fd;
}

#endif
