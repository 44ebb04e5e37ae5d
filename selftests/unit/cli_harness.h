/* SPDX-License-Identifier: MIT */
/*
 * A control socket's daemon whose answers a test chooses by the name that it asks for, and the running
 * of wgx in forked children. For one test program: it defines what libwgx has from the real daemon.
 */
#ifndef WGX_UNIT_CLI_HARNESS_H
#define WGX_UNIT_CLI_HARNESS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/client.h"
#include "daemon/daemon.h"

int wgx_main(int argc, char **argv); /* main() of main.c */

static char dir[] = "/tmp/wgx-cli.XXXXXX";

/* ---- a daemon ---- */

#define CONNS 32
#define SAFETY_S 60 /* a forgotten daemon or child ends by itself */

int wgx_control_path(char *path, size_t size)
{
	int n = snprintf(path, size, "%s/run/1.sock", dir);

	return n < (int)size ? 0 : -ENAMETOOLONG;
}

/* What the daemon did, for the test to read: one line an event. */
static void record(const char *format, ...)
{
	char path[64], text[4096];
	va_list ap;
	int fd;

	snprintf(path, sizeof(path), "%s/log", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

static int listen_control(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	wgx_control_path(addr.sun_path, sizeof(addr.sun_path));
	unlink(addr.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 64))
		abort();
	return fd;
}

static void answer_text(int fd, const char *text)
{
	for (size_t len = strlen(text); len;) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

/* An answer of some 100 KB in several pieces, like that of a daemon with many allowed IPs. */
static void answer_long(int fd)
{
	answer_text(
		fd,
		"{\"ok\":true,\"interfaces\":[{\"name\":\"long0\",\"peers\":[{\"allowed_ips\":[");
	for (int i = 0; i < 10000; i++) {
		char ip[32];

		snprintf(ip, sizeof(ip), "%s\"10.%d.%d.0/24\"", i ? "," : "", i / 256, i % 256);
		answer_text(fd, ip);
	}
	answer_text(fd, "]}]}]}\n");
}

static const char show_answer[] =
	"{\"ok\":true,\"version\":\"0.1.0\",\"pid\":12,\"interfaces\":[{\"name\":\"wg0\"},"
	"{\"name\":\"wg1\"}],\"attached\":[{\"device\":\"eth0\",\"mode\":\"tcx\"}]}\n";

/* By the name of the interface or device, so that a test can choose. Return: keep the connection? */
static bool answer(int fd, const char *request)
{
	static int hangups;
	json_t *r = json_loads(request, 0, NULL);
	const char *cmd = json_string_value(json_object_get(r, "cmd"));
	const char *name = json_string_value(json_object_get(r, "interface"));
	bool keep = json_is_true(json_object_get(r, "wait"));

	if (!name)
		name = json_string_value(json_object_get(r, "device"));
	if (!name)
		name = "";
	record("%s", request);
	if (!strcmp(name, "refused0"))
		answer_text(fd, "{\"ok\":false,\"error\":\"refused0 is taken\",\"errno\":17}\n");
	else if (!strcmp(name, "mute0"))
		answer_text(fd, "{\"ok\":false}\n");
	else if (!strcmp(name, "garbage0"))
		answer_text(fd, "[\"no object\"]\n");
	else if (!strcmp(name, "hangup0") || (!strcmp(name, "hangup1") && !hangups++))
		keep = false;
	else if (!strcmp(name, "long0"))
		answer_long(fd);
	else if (cmd && !strcmp(cmd, "show"))
		answer_text(fd, show_answer);
	else if (cmd && !strcmp(cmd, "attach"))
		answer_text(fd, "{\"ok\":true,\"mode\":\"tcx\",\"note\":\"GRO is off\"}\n");
	else
		answer_text(fd, "{\"ok\":true}\n");
	json_decref(r);
	return keep;
}

/* Requests here fit one read. Return: 0 to close the connection, 1 to keep it, -1 to end. */
static int converse(int fd)
{
	char request[4096];
	ssize_t n = recv(fd, request, sizeof(request) - 1, 0);

	if (n <= 0) {
		record("gone\n");
		return 0;
	}
	request[n] = '\0';
	if (!strcmp(request, "end\n"))
		return -1;
	return answer(fd, request);
}

static void serve(int listener)
{
	struct pollfd fds[CONNS] = {{.fd = listener, .events = POLLIN}};
	int n = 1;

	for (;;) {
		poll(fds, (nfds_t)n, -1);
		for (int i = n - 1; i > 0; i--) {
			int keep = fds[i].revents ? converse(fds[i].fd) : 1;

			if (keep < 0)
				return;
			if (keep)
				continue;
			close(fds[i].fd);
			fds[i] = fds[--n];
		}
		if (fds[0].revents && n < CONNS)
			fds[n++] = (struct pollfd){.fd = accept(listener, NULL, NULL),
						   .events = POLLIN};
	}
}

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = -1; /* the directory's own */

	for (struct dirent *e = readdir(d); e; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void record_self(const char *name)
{
	char cwd[256], in[64] = "", out[64] = "";
	mode_t mask = umask(0);

	umask(mask);
	if (!getcwd(cwd, sizeof(cwd)) || readlink("/proc/self/fd/0", in, sizeof(in) - 1) < 0 ||
	    readlink("/proc/self/fd/2", out, sizeof(out) - 1) < 0)
		abort();
	record("run %s leader=%d cwd=%s umask=%03o in=%s err=%s fds=%d\n", name,
	       getsid(0) == getpid(), cwd, mask, in, out, open_fds());
}

static void say(int ready_fd, const char *text, size_t len)
{
	if (ready_fd >= 0) {
		if (write(ready_fd, text, len) < 0)
			abort();
		close(ready_fd);
	}
}

int wgx_daemon_run(const char *name, unsigned int workers, int ready_fd)
{
	int listener;

	alarm(SAFETY_S);
	record_self(name);
	if (!strcmp(name, "cannot0")) {
		say(ready_fd, "cannot0: no such luck\n", 22);
		return 1;
	}
	if (!strcmp(name, "dies0"))
		_exit(3);
	if (!strcmp(name, "killed0"))
		kill(getpid(), SIGKILL);
	listener = listen_control();
	say(ready_fd, "", 1);
	serve(listener);
	close(listener);
	return 0;
}

/* One that takes another's place: it finds none. */
int wgx_daemon_succeed(int ready_fd)
{
	alarm(SAFETY_S);
	record_self("restart");
	say(ready_fd, "there is none\n", 14);
	return 1;
}

/* ---- running wgx ---- */

struct run {
	pid_t pid;
	int in, out, err;
	int status;
	char out_text[65536];
	char err_text[4096];
};

static struct run r; /* of the last run() */

static int text_file(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void read_back(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	close(fd);
}

static void child(struct run *run, void (*prepare)(void), char *line)
{
	char *argv[16], *save;
	int argc = 0;

	alarm(SAFETY_S);
	dup2(run->in, 0);
	dup2(run->out, 1);
	dup2(run->err, 2);
	for (char *p = strtok_r(line, " ", &save); p && argc < 15; p = strtok_r(NULL, " ", &save))
		argv[argc++] = p;
	argv[argc] = NULL;
	optind = 0;
	if (prepare)
		prepare();
	exit(wgx_main(argc, argv));
}

/* @line: words at single spaces. */
static void start_with(struct run *run, const char *line, const char *in, void (*prepare)(void))
{
	char words[512];

	snprintf(words, sizeof(words), "%s", line);
	run->in = text_file(in);
	run->out = text_file("");
	run->err = text_file("");
	fflush(NULL);
	run->pid = fork();
	assert_true(run->pid >= 0);
	if (!run->pid)
		child(run, prepare, words);
}

static void finish(struct run *run)
{
	int status;

	assert_int_equal(waitpid(run->pid, &status, 0), run->pid);
	run->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	close(run->in);
	read_back(run->out, run->out_text, sizeof(run->out_text));
	read_back(run->err, run->err_text, sizeof(run->err_text));
}

static void run_with(const char *line, const char *in, void (*prepare)(void))
{
	start_with(&r, line, in, prepare);
	finish(&r);
}

static void run(const char *line)
{
	run_with(line, "", NULL);
}

static void assert_failure(int status, const char *err)
{
	assert_string_equal(r.err_text, err);
	assert_string_equal(r.out_text, "");
	assert_int_equal(r.status, status);
}

static void assert_output(const char *out)
{
	assert_string_equal(r.err_text, "");
	assert_string_equal(r.out_text, out);
	assert_int_equal(r.status, 0);
}

/* What was recorded since the last call. */
static const char *recorded(void)
{
	static char text[65536];
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/log", dir);
	text[0] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		read_back(fd, text, sizeof(text));
	unlink(path);
	return text;
}

static int count(const char *text, const char *what)
{
	int n = 0;

	for (const char *p = strstr(text, what); p; p = strstr(p + 1, what))
		n++;
	return n;
}

static void in_run_dir(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/run%s%s", dir, *name ? "/" : "", name);
}

/* A daemon that no wgx has started. */
static void start_daemon(void)
{
	char path[64];
	int listener;

	in_run_dir(path, sizeof(path), "");
	mkdir(path, 0700);
	listener = listen_control();
	fflush(NULL);
	if (!fork()) {
		alarm(SAFETY_S);
		serve(listener);
		_exit(0);
	}
	close(listener);
}

static void end_daemon(void)
{
	int fd = wgx_client_connect();
	char c;

	if (fd < 0)
		return;
	answer_text(fd, "end\n");
	while (read(fd, &c, 1) > 0)
		;
	close(fd);
}

static int setup(void **state)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char path[64];

	end_daemon();
	while (waitpid(-1, NULL, 0) > 0)
		;
	recorded();
	in_run_dir(path, sizeof(path), "1.sock");
	unlink(path);
	in_run_dir(path, sizeof(path), "1.lock");
	unlink(path);
	in_run_dir(path, sizeof(path), "");
	rmdir(path);
	return rmdir(dir);
}

#endif
