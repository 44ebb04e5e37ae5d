/* SPDX-License-Identifier: MIT */
/*
 * Large configurations, made beforehand and sent in one piece.
 *
 *	uapi_bulk table PEERS IPS [FIRST [LINE]]	a set request: peers FIRST (0), FIRST + 1 …, each with an
 *							endpoint and IPS allowed IPs, half of them IPv4; LINE is
 *							added to each ("remove=true", with 0 IPS: and nothing else)
 *	uapi_bulk ask SOCKET <REQUEST			sends it; prints "seconds errno bytes-of-the-answer"
 *	uapi_bulk get SOCKET				prints all that is configured
 *
 * Peer N has the same key and allowed IPs (in 11.0.0.0/8 and fd0b::/16) in every request, and no two peers share one
 * up to 16,777,216 addresses of each family. They lie about as if by chance; with ORDER=1 in the environment they
 * follow each other.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <sodium.h>

#define CHUNK 65536
#define TAIL 31 /* bytes of an answer that tell how it ended: "errno=-12\n\n" */

/* ---- table ---- */

static void print_key(uint32_t n)
{
	unsigned char seed[randombytes_SEEDBYTES] = "a peer of a large table", key[32];
	char hex[2 * sizeof(key) + 1];

	memcpy(seed + sizeof(seed) - sizeof(n), &n, sizeof(n));
	randombytes_buf_deterministic(key, sizeof(key), seed);
	printf("public_key=%s\n", sodium_bin2hex(hex, sizeof(hex), key, sizeof(key)));
}

/* An odd factor: the addresses are all different. */
static uint32_t scatter(uint32_t n)
{
	return getenv("ORDER") ? n : n * 11034773u & 0xffffff;
}

static void print_ip(uint32_t n, unsigned int i)
{
	uint32_t at = scatter(n);
	uint8_t v6[16] = {0xfd, 0x0b, [4] = at >> 16, at >> 8, at, [15] = at};
	char text[INET6_ADDRSTRLEN];

	if (i % 2)
		printf("allowed_ip=%s/128\n", inet_ntop(AF_INET6, v6, text, sizeof(text)));
	else
		printf("allowed_ip=11.%u.%u.%u/32\n", at >> 16, at >> 8 & 255, at & 255);
}

static void print_peer(uint32_t n, unsigned int ips, const char *line)
{
	print_key(n);
	if (line)
		printf("%s\n", line);
	if (line && !ips)
		return;
	printf("endpoint=198.%u.%u.%u:51820\n", 18 + (n >> 16 & 1), n >> 8 & 255, n & 255);
	for (unsigned int i = 0; i < ips; i++)
		print_ip(n * ((ips + 1) / 2) + i / 2, i);
}

static int table(char **args, int n)
{
	uint32_t peers = (uint32_t)atoi(args[0]), first = n > 2 ? (uint32_t)atoi(args[2]) : 0;

	printf("set=1\n");
	for (uint32_t i = first; i < first + peers; i++)
		print_peer(i, (unsigned int)atoi(args[1]), n > 3 ? args[3] : NULL);
	printf("\n");
	return fflush(stdout) ? 1 : 0;
}

/* ---- ask ---- */

static char *read_all(int fd, size_t *ret_len)
{
	size_t max = 1 << 20, len = 0;
	char *p = malloc(max);
	ssize_t n;

	while (p && (n = read(fd, p + len, max - len)) > 0) {
		len += (size_t)n;
		if (len == max)
			p = realloc(p, max *= 2);
	}
	*ret_len = len;
	return p;
}

static int dial(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(to.sun_path, path, sizeof(to.sun_path) - 1);
	return fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -1 : fd;
}

static int send_all(int fd, const char *p, size_t len)
{
	ssize_t n;

	for (; len; p += n, len -= (size_t)n) {
		n = send(fd, p, len < CHUNK ? len : CHUNK, MSG_NOSIGNAL);
		if (n < 0)
			return -errno;
	}
	return 0;
}

/* The answer ends with "errno=N" and an empty line. Return: its length; the last bytes of it in @tail. */
static size_t receive(int fd, char tail[2 * TAIL + 1])
{
	static char buf[CHUNK];
	size_t len = 0, kept = 0, keep;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		len += (size_t)n;
		keep = n < TAIL ? (size_t)n : TAIL;
		if (kept > TAIL) {
			memmove(tail, tail + kept - TAIL, TAIL);
			kept = TAIL;
		}
		memcpy(tail + kept, buf + n - keep, keep);
		kept += keep;
		tail[kept] = 0;
		if (kept >= 2 && !strcmp(tail + kept - 2, "\n\n"))
			break;
	}
	return len;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int ask(const char *path)
{
	char tail[2 * TAIL + 1] = "", *status;
	size_t len, got;
	char *request = read_all(STDIN_FILENO, &len);
	int fd = dial(path);
	double start;

	if (!request || fd < 0) {
		perror(path);
		return 1;
	}
	start = now();
	if (send_all(fd, request, len)) {
		perror("send");
		return 1;
	}
	got = receive(fd, tail);
	status = strstr(tail, "errno=");
	if (!status) {
		fprintf(stderr, "no answer: %s\n", tail);
		return 1;
	}
	printf("%.6f %d %zu\n", now() - start, atoi(status + 6), got);
	free(request);
	close(fd);
	return atoi(status + 6) != 0;
}

static int get(const char *path)
{
	static const char request[] = "get=1\n\n";
	int fd = dial(path);
	char *line = NULL;
	size_t size = 0;
	FILE *f;

	if (fd < 0 || send_all(fd, request, sizeof(request) - 1) || !(f = fdopen(fd, "r"))) {
		perror(path);
		return 1;
	}
	while (getline(&line, &size, f) > 0 && strncmp(line, "errno=", 6))
		fputs(line, stdout);
	free(line);
	fclose(f);
	return 0;
}

int main(int argc, char **argv)
{
	if (sodium_init() < 0)
		return 1;
	if (argc >= 4 && !strcmp(argv[1], "table"))
		return table(argv + 2, argc - 2);
	if (argc == 3 && !strcmp(argv[1], "ask"))
		return ask(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "get"))
		return get(argv[2]);
	fprintf(stderr,
		"usage: uapi_bulk table PEERS IPS [FIRST [LINE]] | ask SOCKET | get SOCKET\n");
	return 2;
}
