/* SPDX-License-Identifier: MIT */
#include "quick/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/file.h"
#include "daemon/daemon.h"

#define ENDING ".up"
#define PATH_SIZE 128

int wgx_record_path(const char *name, const char *ending, char *path, size_t size)
{
	char control[PATH_SIZE];
	int err = wgx_control_path(control, sizeof(control)), n;
	char *dot = err ? NULL : strrchr(control, '.');

	if (!dot)
		return err ? err : -EINVAL;
	*dot = '\0';
	n = snprintf(path, size, "%s.%s%s", control, name, ending);
	return n < (int)size ? 0 : -ENAMETOOLONG;
}

static int take_lock(const char *name)
{
	char path[PATH_SIZE];
	int fd, err = wgx_record_path(name, ".lock", path, sizeof(path));

	if (err)
		return err;
	if (mkdir(WGX_RUN_DIR, 0700) && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(fd);
	return err;
}

/* @ret: NULL: there is none. That it cannot be read does not mean so. */
static int load(const char *path, json_t **ret)
{
	FILE *f = fopen(path, "re");
	int err;

	*ret = NULL;
	if (!f)
		return errno == ENOENT ? 0 : -errno;
	*ret = json_loadf(f, 0, NULL);
	err = ferror(f) ? -EIO : 0;
	fclose(f);
	if (err)
		json_decref(*ret);
	return err;
}

int wgx_record_open(const char *name, struct wgx_record *ret)
{
	struct wgx_record r = {0};
	char path[PATH_SIZE];
	int err = wgx_record_path(name, ENDING, path, sizeof(path));

	if (err)
		return err;
	snprintf(r.name, sizeof(r.name), "%s", name);
	r.lock = take_lock(name);
	if (r.lock < 0)
		return r.lock;
	err = load(path, &r.done);
	if (err) {
		close(r.lock);
		return err;
	}
	r.found = json_is_object(r.done);
	if (!r.found) {
		json_decref(r.done);
		r.done = json_object();
	}
	*ret = r;
	return 0;
}

void wgx_record_close(struct wgx_record *r)
{
	json_decref(r->done);
	if (r->lock >= 0)
		close(r->lock);
	r->done = NULL;
	r->lock = -1;
}

static int store(const struct wgx_record *r)
{
	char path[PATH_SIZE];
	int dir, err = wgx_record_path(r->name, ENDING, path, sizeof(path));

	if (err)
		return err;
	dir = open(WGX_RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	err = wgx_file_write_json(dir, strrchr(path, '/') + 1, r->done, 0600);
	close(dir);
	return err;
}

static int note(struct wgx_record *r, const char *what, json_t *value)
{
	return json_object_set_new(r->done, what, value) ? -ENOMEM : store(r);
}

static int append(struct wgx_record *r, const char *what, json_t *value)
{
	json_t *list = json_object_get(r->done, what);

	if (!list) {
		list = json_array();
		if (json_object_set_new(r->done, what, list)) {
			json_decref(value);
			return -ENOMEM;
		}
	}
	return json_array_append_new(list, value) ? -ENOMEM : store(r);
}

int wgx_record_text(struct wgx_record *r, const char *what, const char *value)
{
	return note(r, what, json_string(value));
}

int wgx_record_add(struct wgx_record *r, const char *what, const char *value)
{
	return append(r, what, json_string(value));
}

int wgx_record_rule(struct wgx_record *r, const struct wgx_rule *rule)
{
	return append(r, "rules",
		      json_pack("{s:i, s:I, s:I, s:b, s:i, s:I}", "family", rule->family, "table",
				(json_int_t)rule->table, "mark", (json_int_t)rule->mark, "inverted",
				rule->inverted, "suppress_prefixlength",
				rule->suppress_prefixlength, "priority",
				(json_int_t)rule->priority));
}

const char *wgx_record_get(const struct wgx_record *r, const char *what)
{
	return json_string_value(json_object_get(r->done, what));
}

static bool is_u32(json_int_t n)
{
	return n >= 0 && n <= UINT32_MAX;
}

int wgx_record_rule_at(const struct wgx_record *r, size_t i, struct wgx_rule *ret)
{
	json_t *o = json_array_get(json_object_get(r->done, "rules"), i);
	json_int_t family, table, mark, suppress, priority;
	int inverted;

	if (!o)
		return -ENOENT;
	if (json_unpack(o, "{s:I, s:I, s:I, s:b, s:I, s:I}", "family", &family, "table", &table,
			"mark", &mark, "inverted", &inverted, "suppress_prefixlength", &suppress,
			"priority", &priority) ||
	    (family != AF_INET && family != AF_INET6) || !is_u32(table) || !is_u32(mark) ||
	    suppress < -1 || suppress > 128 || !is_u32(priority))
		return -EBADMSG;
	*ret = (struct wgx_rule){
		.family = (uint8_t)family,
		.table = (uint32_t)table,
		.mark = (uint32_t)mark,
		.inverted = inverted,
		.suppress_prefixlength = (int)suppress,
		.priority = (uint32_t)priority,
	};
	return 0;
}

int wgx_record_delete(struct wgx_record *r)
{
	char path[PATH_SIZE];
	int err = wgx_record_path(r->name, ENDING, path, sizeof(path));

	if (!err && unlink(path) && errno != ENOENT)
		err = -errno;
	if (err)
		return err;
	json_object_clear(r->done);
	r->found = false;
	return 0;
}

static bool says(const json_t *done, const char *what, const char *value)
{
	const json_t *o = json_object_get(done, what), *item;
	size_t i;

	if (json_is_string(o))
		return !strcmp(json_string_value(o), value);
	json_array_foreach(o, i, item)
		if (json_is_string(item) && !strcmp(json_string_value(item), value))
			return true;
	return false;
}

bool wgx_record_says(const struct wgx_record *r, const char *what, const char *value)
{
	return says(r->done, what, value);
}

/* Return: 1, 0 or negative errno */
static int file_says(const char *file, const char *what, const char *value)
{
	char path[PATH_SIZE + 256];
	json_t *done;
	int ret;

	snprintf(path, sizeof(path), WGX_RUN_DIR "/%s", file);
	ret = load(path, &done);
	if (ret)
		return ret;
	ret = says(done, what, value);
	json_decref(done);
	return ret;
}

/* Is @file a record of this namespace, and not @own? @prefix: INODE. */
static bool is_another(const char *file, const char *prefix, const char *own)
{
	size_t len = strlen(file), ending = strlen(ENDING);

	return !strncmp(file, prefix, strlen(prefix)) && len > ending &&
	       !strcmp(file + len - ending, ENDING) && strcmp(file, own);
}

int wgx_record_shared(const struct wgx_record *r, const char *what, const char *value)
{
	char own[PATH_SIZE], prefix[PATH_SIZE];
	int ret = wgx_record_path(r->name, ENDING, own, sizeof(own));
	const char *base;
	struct dirent *e;
	DIR *dir;

	if (ret)
		return ret;
	dir = opendir(WGX_RUN_DIR);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	base = strrchr(own, '/') + 1;
	snprintf(prefix, sizeof(prefix), "%.*s", (int)(strchr(base, '.') + 1 - base), base);
	while (!ret && (e = readdir(dir)))
		if (is_another(e->d_name, prefix, base))
			ret = file_says(e->d_name, what, value);
	closedir(dir);
	return ret;
}
