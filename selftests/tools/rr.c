/* SPDX-License-Identifier: MIT */
/*
 * Request/response latency over one TCP connection: a byte there, a byte back.
 *
 *	rr server PORT			serves until it is killed
 *	rr client ADDRESS PORT SECONDS	prints "exchanges-per-second p50-us p99-us"
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RR_SAMPLES_MAX 4000000

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a;
	float y = *(const float *)b;

	return (x > y) - (x < y);
}

static int set_nodelay(int fd)
{
	int one = 1;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ? -errno : 0;
}

static void echo(int fd)
{
	char byte;

	while (read(fd, &byte, 1) == 1)
		if (write(fd, &byte, 1) != 1)
			break;
}

static int serve(const char *port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(port))};
	int one = 1;
	int err;
	int fd;

	fd = socket(AF_INET6, SOCK_STREAM, 0); /* takes IPv4 as well */
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 4)) {
		err = -errno;
		close(fd);
		return err;
	}
	for (;;) {
		int conn = accept(fd, NULL, NULL);

		if (conn < 0)
			continue;
		if (!set_nodelay(conn))
			echo(conn);
		close(conn);
	}
}

static int connect_to(const char *address, const char *port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *ai;
	int err;
	int fd;

	if (getaddrinfo(address, port, &hints, &ai))
		return -EINVAL;
	fd = socket(ai->ai_family, SOCK_STREAM, 0);
	err = fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen) ? -errno : set_nodelay(fd);
	freeaddrinfo(ai);
	if (err && fd >= 0)
		close(fd);
	return err ? err : fd;
}

/* Exchanges bytes for @seconds; returns how many times are in @samples (microseconds), or -errno. */
static int measure(int fd, double seconds, float *samples)
{
	double begin = now_us();
	double last = begin;
	double end = begin + seconds * 1e6;
	char byte = 0;
	int n = 0;

	while (last < end && n < RR_SAMPLES_MAX) {
		double t;

		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			return -EPIPE;
		t = now_us();
		samples[n++] = t - last;
		last = t;
	}
	return n;
}

static int run_client(const char *address, const char *port, double seconds)
{
	float *samples;
	int fd;
	int n;

	samples = malloc(sizeof(*samples) * RR_SAMPLES_MAX);
	if (!samples)
		return -ENOMEM;
	fd = connect_to(address, port);
	n = fd < 0 ? fd : measure(fd, seconds, samples);
	if (n > 0) {
		qsort(samples, n, sizeof(*samples), compare);
		printf("%.0f %.1f %.1f\n", n / seconds, samples[n / 2],
		       samples[(long)n * 99 / 100]);
	}
	if (fd >= 0)
		close(fd);
	free(samples);
	return n > 0 ? 0 : n < 0 ? n : -ENODATA;
}

int main(int argc, char **argv)
{
	int err;

	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "server")) {
		err = serve(argv[2]);
	} else if (argc == 5 && !strcmp(argv[1], "client")) {
		err = run_client(argv[2], argv[3], atof(argv[4]));
	} else {
		fprintf(stderr, "usage: rr server PORT | rr client ADDRESS PORT SECONDS\n");
		return 2;
	}
	if (err)
		fprintf(stderr, "rr: %s\n", strerror(-err));
	return err ? 1 : 0;
}
