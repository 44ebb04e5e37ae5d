/* SPDX-License-Identifier: MIT */
/*
 * The control socket of a daemon, with connections as `wgx` makes them. An input is lines: what the current connection
 * sends, but for those that begin with a byte of enum op, which are what else happens. The loop is the daemon's, one event
 * of epoll at a time; interfaces and devices are models here, in the place of what would make them. Checked: each line
 * gets one answer, in order, of the kind that was asked for; events are whole, are those asked for, and none is
 * lost unsaid; who may only look changes nothing; a connection ends only where it has to; and nothing is left of any.
 */
#include "fuzz/fuzz.h"

#include <sys/socket.h>
#include <sys/un.h>

#define wgx_socket_may_use may_use /* as the input has it */
#include "daemon/control.c"

static void *scarce_malloc(size_t size);
#define malloc scarce_malloc
#include "daemon/answer_memory.c"
#undef malloc

#include "daemon/drops.h"
#include "daemon/peer.h"
#include "daemon/show.h"

#define CONNECTIONS 4
#define INTERFACES 4
#define CROWD 80
#define LINES 512 /* of an input */
#define EVENTS 8192 /* likewise */
#define MODES 4

/* The first byte of a line that nobody sends; its parameters are the bytes that follow. */
enum op {
	OP_CONNECTION = 1, /* which, and how it is made: bits of enum how */
	OP_CLOSE, /* odd: only for writing */
	OP_NEWS, /* type, interface, how many as a power of two */
	OP_MUTE, /* odd: it reads nothing from now on */
	OP_SIZE, /* of the answers to show, in 4 kB */
	OP_PIECES, /* of what is sent from now on, in bytes; 0: lines are whole */
	OP_CROWD, /* so many others come and go; their half may only look where bit 7 is set */
	OP_MEMORY, /* so many allocations are left until one fails; 0: none does */
	OP_DEFAULT_ROUTE = 14, /* odd: allowed IPs have one */
	OP_LONG, /* so many KiB without an end */
};

enum how {
	LOOKS = 0x40,
	SMALL = 0x80,
};

enum kind {
	MALFORMED,
	OTHER,
	ATTACH,
	SHOW,
	MONITOR,
	HANDOVER,
};

struct connection {
	int fd; /* -1: none */
	struct wgx_control_client *client; /* the daemon's end; NULL: it has closed it */
	bool mute, hung_up, ended;
	bool lock; /* came before the answer to come */
	size_t sent;
	enum kind kinds[LINES];
	unsigned int asked, answered;
	char *in; /* what was read, up to a whole line */
	size_t in_len;
	bool listens;
	unsigned int from, got, missed; /* events */
};

static struct wgx_daemon d;
static max_align_t no_namespace[1024]; /* a struct wgx_netns of zeroes */
static struct sockaddr_un address;
static socklen_t address_len;

static struct connection connections[CONNECTIONS];
static struct wgx_control_client *turn; /* whose event it is */
static bool next_looks, default_route, failed_once;
static unsigned int size_of_show, step, fail_in, n_served;
static char told[EVENTS][IFNAMSIZ]; /* of which interface each event was */
static unsigned int n_told;

static struct device {
	const char *name;
	bool attached;
	struct wgx_guard guard;
} devices[] = {{.name = "eth0"}, {.name = "eth1"}};

static void *scarce_malloc(size_t size)
{
	if (turn && fail_in && !--fail_in) {
		failed_once = true;
		return NULL;
	}
	return malloc(size);
}

bool may_use(int fd)
{
	return !next_looks;
}

static void news_ready(struct wgx_event *e, uint32_t events)
{
	uint64_t dummy;

	assert_int_equal(read(e->fd, &dummy, sizeof(dummy)), sizeof(dummy));
	wgx_control_tell(&d);
}

static void fuzz_begin(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	d.ns = (struct wgx_netns *)no_namespace;
	d.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	CDS_INIT_LIST_HEAD(&d.ifaces);
	CDS_INIT_LIST_HEAD(&d.attached);
	CDS_INIT_LIST_HEAD(&d.awaited);
	CDS_INIT_LIST_HEAD(&d.control_clients);
	/* without a name it gets one of the abstract ones */
	address.sun_family = AF_UNIX;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	address_len = sizeof(address);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &address_len), 0);
	assert_int_equal(listen(fd, CROWD), 0);
	assert_int_equal(wgx_event_add(d.epoll_fd, &d.control_listener, fd, listener_ready, &d), 0);
	assert_int_equal(wgx_news_init(&d.news), 0);
	assert_int_equal(wgx_event_add(d.epoll_fd, &d.news_ready, d.news.fd, news_ready, &d), 0);
	for (int i = 0; i < CONNECTIONS; i++)
		connections[i].fd = -1;
	wgx_answer_memory_watch();
}

/* ---- what the daemon would do ---- */

static int refuse_with(int err, char *error, size_t size, const char *what)
{
	snprintf(error, size, "%s: refused", what);
	return err;
}

/* Who may only look has got no further than to the answer. */
static void assert_may_change(void)
{
	assert_non_null(turn);
	assert_false(turn->looks_only);
}

static void news(enum wgx_news_type type, const char *interface)
{
	struct wgx_news_item item = {.type = type % (WGX_NEWS_DEVICE_GONE + 1), .port = 51820};

	if (!wgx_news_wanted(&d.news) || n_told == EVENTS)
		return;
	snprintf(item.interface, sizeof(item.interface), "%s", interface);
	snprintf(told[n_told++], IFNAMSIZ, "%s", interface);
	item.of_peer = item.type >= WGX_NEWS_PEER_ADDED && item.type <= WGX_NEWS_UNANSWERED;
	if (item.type >= WGX_NEWS_ATTACHED) {
		snprintf(item.device, sizeof(item.device), "eth0");
		item.mode = "tcx";
	}
	wgx_news_add(&d.news, &item);
}

const char *wgx_drop_label(enum wgx_drop_reason reason)
{
	return "reason";
}

int wgx_control_path(char *path, size_t size)
{
	return -ENOSYS;
}

struct wgx_served *wgx_served_find(struct wgx_daemon *daemon, const char *name)
{
	struct wgx_served *s;

	cds_list_for_each_entry(s, &d.ifaces, all)
		if (!strcmp(s->link.name, name))
			return s;
	return NULL;
}

int wgx_served_create(struct wgx_daemon *daemon, const char *name, unsigned int workers,
		      char *error, size_t size)
{
	struct wgx_served *s;

	assert_may_change();
	assert_true(workers <= WGX_QUEUES_MAX);
	if (!*name || strlen(name) >= IFNAMSIZ)
		return refuse_with(-EINVAL, error, size, name);
	if (wgx_served_find(daemon, name) || n_served == INTERFACES)
		return refuse_with(-EEXIST, error, size, name);
	s = calloc(1, sizeof(*s));
	assert_non_null(s);
	s->daemon = &d;
	snprintf(s->link.name, sizeof(s->link.name), "%s", name);
	cds_list_add_tail(&s->all, &d.ifaces);
	n_served++;
	news(WGX_NEWS_INTERFACE_ADDED, name);
	return 0;
}

/* As wgx_served_delete() has it */
static void delete_served(struct wgx_served *s)
{
	cds_list_del(&s->all);
	n_served--;
	if (s->waiting)
		wgx_control_gone(s->waiting);
	news(WGX_NEWS_INTERFACE_REMOVED, s->link.name);
	free(s);
}

static struct device *device_of(const char *name)
{
	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++)
		if (!strcmp(devices[i].name, name))
			return &devices[i];
	return NULL;
}

static void check_guard(const struct wgx_guard *g)
{
	assert_true(g->on || (!g->n_exempt && !g->n_protect && !g->report));
	assert_true(!g->no_exemptions || !g->n_exempt);
	assert_int_equal(g->keep, g->n_protect > 0);
	assert_false(g->on && !g->n_exempt && !g->no_exemptions && default_route);
	for (unsigned int i = 0; i < g->n_exempt; i++) {
		assert_in_range(g->exempt[i].cidr, 1, g->exempt[i].family == AF_INET ? 32 : 128);
		assert_true(wgx_guard_exempts(g, &g->exempt[i]));
		for (unsigned int j = 0; j < i; j++)
			assert_false(wgx_prefix_equal(&g->exempt[i], &g->exempt[j]));
	}
	for (unsigned int i = 0; i < g->n_protect; i++)
		assert_in_range(g->protect[i].cidr, 1, g->protect[i].family == AF_INET ? 32 : 128);
}

int wgx_attach(struct wgx_daemon *daemon, const char *name, const struct wgx_attach_wish *wish,
	       const struct wgx_guard *guard, const char **ret_mode, char *text, size_t size)
{
	static const char *const modes[MODES] = {"auto", "native", "generic", "tcx"};
	struct device *dev = device_of(name);

	assert_may_change();
	check_guard(guard);
	if (!dev || dev->attached)
		return refuse_with(dev ? -EALREADY : -ENODEV, text, size, name);
	*ret_mode = NULL;
	for (int i = 0; i < MODES; i++)
		if (!strcmp(modes[i], wish->mode))
			*ret_mode = modes[i];
	if (!*ret_mode)
		return refuse_with(-EINVAL, text, size, wish->mode);
	assert_int_equal(wgx_guard_copy(&dev->guard, guard), 0);
	check_guard(&dev->guard);
	dev->attached = true;
	snprintf(text, size, "%s", wish->lan == WGX_LAN_NATIVE ? "slow" : "");
	news(WGX_NEWS_ATTACHED, "");
	return 0;
}

static void detach(struct device *dev)
{
	wgx_guard_free(&dev->guard);
	dev->attached = false;
}

int wgx_detach(struct wgx_daemon *daemon, const char *name, char *error, size_t size)
{
	struct device *dev = device_of(name);

	assert_may_change();
	if (!dev || !dev->attached)
		return refuse_with(-ENODEV, error, size, name);
	detach(dev);
	news(WGX_NEWS_DETACHED, "");
	return 0;
}

int wgx_lan_parse(const char *text, enum wgx_lan_way *ret)
{
	*ret = !text ? WGX_LAN_OFF : strcmp(text, "tcx") ? WGX_LAN_NATIVE : WGX_LAN_TCX;
	return *ret == WGX_LAN_NATIVE && strcmp(text, "native") ? -EINVAL : 0;
}

bool wgx_strict_default_route(struct wgx_daemon *daemon)
{
	return default_route;
}

void wgx_strict_confirm(struct wgx_daemon *daemon)
{
	assert_may_change();
}

json_t *wgx_show(struct wgx_daemon *daemon, const char *name, const char *peer, bool peers,
		 char *error, size_t size)
{
	static char text[4096];
	json_t *o, *list;

	if (name && (!wgx_served_find(daemon, name) || (peer && strcmp(peer, "b")))) {
		refuse_with(-ENOENT, error, size, peer ? peer : name);
		return NULL;
	}
	memset(text, 'x', sizeof(text) - 1);
	o = json_pack("{s:[]}", "interfaces");
	list = json_object_get(o, "interfaces");
	for (unsigned int i = 0; peers && i < size_of_show; i++)
		json_array_append_new(list, json_string(text));
	return o ? o : json_object();
}

static int change_peer(const char *interface, const char *peer, char *error, size_t size)
{
	assert_may_change();
	if (!wgx_served_find(&d, interface))
		return refuse_with(-ENODEV, error, size, interface);
	return strcmp(peer, "b") ? refuse_with(-ENOENT, error, size, peer) : 0;
}

int wgx_peer_rename(struct wgx_daemon *daemon, const char *interface, const char *peer,
		    const char *name, char *error, size_t size)
{
	return change_peer(interface, peer, error, size);
}

int wgx_peer_pair(struct wgx_daemon *daemon, const char *interface, const char *peer,
		  const char *twin, char *error, size_t size)
{
	return change_peer(interface, peer, error, size);
}

static struct connection *connection_of(const struct wgx_control_client *c)
{
	for (int i = 0; c && i < CONNECTIONS; i++)
		if (connections[i].client == c)
			return &connections[i];
	return NULL;
}

int wgx_tell_listen(struct wgx_daemon *daemon, uint64_t *cursor)
{
	struct connection *k = connection_of(turn);
	int err = wgx_news_listen(&d.news, cursor);

	assert_int_equal(err, 0);
	assert_non_null(k);
	k->listens = true;
	k->from = n_told;
	return err;
}

void wgx_tell_leave(struct wgx_daemon *daemon)
{
	wgx_news_leave(&d.news);
}

int wgx_handover_give(struct wgx_daemon *daemon, int fd, char *error, size_t size)
{
	assert_may_change();
	return refuse_with(-ECANCELED, error, size, "heir");
}

void wgx_handover_fd(struct wgx_handover *h, int *fd)
{
}

/* ---- the loop ---- */

static bool is_there(const struct wgx_control_client *client)
{
	const struct wgx_control_client *c;

	cds_list_for_each_entry(c, &d.control_clients, all)
		if (c == client)
			return true;
	return false;
}

/* The daemon ends a connection that has hung up, that sends without an end, and whose interface is gone. */
static void note_ends(bool by_interface)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		struct connection *k = &connections[i];

		if (!k->client || is_there(k->client))
			continue;
		k->client = NULL;
		k->ended = true;
		assert_true(k->hung_up || k->sent >= REQUEST_MAX || by_interface || failed_once);
	}
}

static void delete_doomed(void)
{
	struct wgx_served *s, *next;

	cds_list_for_each_entry_safe(s, next, &d.ifaces, all)
		if (s->doomed)
			delete_served(s);
	note_ends(true);
}

static void run_loop(void)
{
	struct epoll_event ev;

	while (epoll_wait(d.epoll_fd, &ev, 1, 0) == 1) {
		struct wgx_event *e = ev.data.ptr;

		turn = e->ready == client_ready ? e->arg : NULL;
		e->ready(e, ev.events);
		turn = NULL;
		note_ends(false);
		delete_doomed();
	}
}

/* ---- what comes back ---- */

static void check_answer(struct connection *k, const json_t *o)
{
	static const char *const members[] = {
		[ATTACH] = "mode",
		[SHOW] = "interfaces",
		[MONITOR] = "there",
		[HANDOVER] = "environment",
	};
	const json_t *ok = json_object_get(o, "ok");
	enum kind kind;

	assert_true(json_is_boolean(ok));
	assert_true(k->answered < k->asked);
	kind = k->kinds[k->answered++];
	if (json_is_false(ok)) {
		assert_true(json_is_string(json_object_get(o, "error")));
		assert_true(json_integer_value(json_object_get(o, "errno")) > 0);
	} else {
		assert_int_not_equal(kind, MALFORMED);
		if (kind >= ATTACH)
			assert_non_null(json_object_get(o, members[kind]));
	}
	if (k->lock)
		assert_int_equal(kind, HANDOVER);
	k->lock = false;
}

static void check_event(struct connection *k, const json_t *o)
{
	const char *event = json_string_value(json_object_get(o, "event"));
	const char *interface = json_string_value(json_object_get(o, "interface"));

	assert_true(k->listens);
	assert_non_null(event);
	assert_true(json_is_real(json_object_get(o, "time")));
	if (!strcmp(event, "missed")) {
		k->missed += (unsigned int)json_integer_value(json_object_get(o, "events"));
		return;
	}
	k->got++;
	if (k->client && *k->client->only && interface)
		assert_string_equal(interface, k->client->only);
}

static void take_line(struct connection *k, const char *line, size_t len)
{
	json_t *o;

	if (*line == 'L') { /* with the lock's descriptor, before the answer */
		assert_false(k->lock);
		k->lock = true;
		line++;
		len--;
	}
	o = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	assert_true(json_is_object(o));
	if (json_object_get(o, "ok"))
		check_answer(k, o);
	else
		check_event(k, o);
	json_decref(o);
}

/* Return: was there anything? */
static bool read_some(struct connection *k)
{
	static char buf[1 << 18];
	ssize_t n = recv(k->fd, buf, sizeof(buf), MSG_DONTWAIT);
	char *line, *end;

	if (n <= 0)
		return false;
	k->in = realloc(k->in, k->in_len + (size_t)n);
	assert_non_null(k->in);
	memcpy(k->in + k->in_len, buf, (size_t)n);
	k->in_len += (size_t)n;
	for (line = k->in; (end = memchr(line, '\n', k->in_len - (size_t)(line - k->in)));
	     line = end + 1)
		take_line(k, line, (size_t)(end - line));
	k->in_len -= (size_t)(line - k->in);
	memmove(k->in, line, k->in_len);
	return true;
}

/* All that the daemon has to do, and that somebody reads */
static void settle(void)
{
	bool more = true;

	while (more) {
		run_loop();
		more = false;
		for (int i = 0; i < CONNECTIONS; i++)
			if (connections[i].fd >= 0 && !connections[i].mute)
				more |= read_some(&connections[i]);
	}
}

/* ---- connections ---- */

static int connect_one(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, address_len), 0);
	return fd;
}

static void open_connection(struct connection *k, uint8_t how)
{
	const int least = 1;

	*k = (struct connection){.fd = connect_one()};
	next_looks = how & LOOKS;
	run_loop();
	next_looks = false;
	k->client = cds_list_entry(d.control_clients.prev, struct wgx_control_client, all);
	assert_int_equal(k->client->looks_only, (how & LOOKS) != 0);
	if (how & SMALL)
		assert_int_equal(setsockopt(k->client->event.fd, SOL_SOCKET, SO_SNDBUF, &least,
					    sizeof(least)),
				 0);
}

static void check_events(const struct connection *k, const char *only)
{
	unsigned int wanted = 0;

	for (unsigned int i = k->from; i < n_told; i++)
		wanted += !*only || !*told[i] || !strcmp(told[i], only);
	assert_true(k->got <= wanted);
	if (failed_once)
		return;
	if (!k->missed)
		assert_int_equal(k->got, wanted);
	if (!*only)
		assert_int_equal(k->got + k->missed, n_told - k->from);
}

/* It has read all there is, and leaves. */
static void close_connection(struct connection *k)
{
	k->mute = false;
	settle();
	if (k->client && !k->hung_up) {
		assert_int_equal(k->answered, k->asked);
		assert_int_equal(k->in_len, 0);
		if (k->listens)
			check_events(k, k->client->only);
	}
	k->hung_up = true;
	close(k->fd);
	free(k->in);
	k->fd = -1;
	run_loop();
	assert_null(k->client);
}

/* Others keep one out only while there are too many of them, and those who may only look not all. */
static void crowd(uint8_t how)
{
	int fds[CROWD], n = how % CROWD;
	unsigned int looks = 0, there = 0, lookers = 0;
	const struct wgx_control_client *c;

	for (int i = 0; i < n; i++) {
		next_looks = how & 128 && i & 1;
		looks += next_looks;
		fds[i] = connect_one();
		run_loop();
	}
	next_looks = false;
	cds_list_for_each_entry(c, &d.control_clients, all) {
		there++;
		lookers += c->looks_only;
	}
	assert_true(there <= CLIENTS_MAX && lookers <= LOOKERS_MAX);
	if (n > CLIENTS_MAX && !looks)
		assert_int_equal(there, CLIENTS_MAX);
	for (int i = 0; i < n; i++) {
		char line[256];
		ssize_t len = recv(fds[i], line, sizeof(line), MSG_DONTWAIT);

		/* who was turned away knows why */
		assert_true(len < 0 || (len > 1 && line[len - 1] == '\n'));
		if (len > 0) {
			json_t *o = json_loadb(line, (size_t)len, 0, NULL);

			assert_true(json_is_false(json_object_get(o, "ok")));
			assert_true(json_is_string(json_object_get(o, "error")));
			json_decref(o);
		}
		close(fds[i]);
	}
	run_loop();
}

/* ---- a story ---- */

static enum kind kind_of(const uint8_t *line, size_t len)
{
	static const char *const names[] = {
		[ATTACH] = "attach",
		[SHOW] = "show",
		[MONITOR] = "monitor",
		[HANDOVER] = "handover",
	};
	json_t *o = json_loadb((const char *)line, len, JSON_REJECT_DUPLICATES, NULL);
	const char *cmd = json_string_value(json_object_get(o, "cmd"));
	enum kind kind = cmd ? OTHER : MALFORMED;

	for (int i = ATTACH; cmd && i <= HANDOVER; i++)
		if (!strcmp(cmd, names[i]))
			kind = (enum kind)i;
	json_decref(o);
	return kind;
}

/* In pieces. Return: did all of it go? Where not, there is no telling what it was. */
static bool send_all(struct connection *k, const uint8_t *p, size_t len)
{
	while (len && k->client) {
		size_t piece = step && step < len ? step : len;
		ssize_t n = send(k->fd, p, piece, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
		k->sent += (size_t)n;
		run_loop();
	}
	return !len;
}

static void say(struct connection *k, const uint8_t *line, size_t len, bool whole)
{
	if (k->fd < 0)
		open_connection(k, 0);
	if (!k->client || k->hung_up)
		return;
	if (whole) {
		assert_true(k->asked < LINES);
		k->kinds[k->asked++] = kind_of(line, len - 1);
	}
	if (!send_all(k, line, len) && k->client)
		k->hung_up = true; /* as far as we are concerned */
}

static void say_endlessly(struct connection *k, uint8_t kib)
{
	static uint8_t spaces[1024];

	memset(spaces, ' ', sizeof(spaces));
	for (int i = 0; i < kib; i++)
		say(k, spaces, sizeof(spaces), false);
}

static void happen(struct connection **k, struct bytes *b)
{
	const enum op op = take_u8(b);
	const uint8_t how = take_u8(b), which = take_u8(b);
	static const char *const names[] = {"", "wg0", "wg1", "wg2"};

	switch (op) {
	case OP_CONNECTION:
		*k = &connections[how % CONNECTIONS];
		if ((*k)->fd < 0)
			open_connection(*k, how);
		break;
	case OP_CLOSE:
		if ((*k)->fd >= 0 && how & 1 && !(*k)->hung_up) {
			(*k)->hung_up = true;
			assert_int_equal(shutdown((*k)->fd, SHUT_WR), 0);
		} else if ((*k)->fd >= 0) {
			close_connection(*k);
		}
		break;
	case OP_NEWS:
		for (unsigned int n = 1u << take_u8(b) % 11; n; n--)
			news(how, names[which % 4]);
		break;
	case OP_MUTE:
		(*k)->mute = how & 1;
		break;
	case OP_SIZE:
		size_of_show = how;
		break;
	case OP_PIECES:
		step = how;
		break;
	case OP_CROWD:
		crowd(how);
		break;
	case OP_MEMORY:
		fail_in = how;
		break;
	case OP_DEFAULT_ROUTE:
		default_route = how & 1;
		break;
	case OP_LONG:
		say_endlessly(*k, how);
		break;
	}
}

static bool is_op(uint8_t first)
{
	return (first && first <= OP_MEMORY) || first == OP_DEFAULT_ROUTE || first == OP_LONG;
}

/* The lowest descriptor that is free */
static int free_fd(void)
{
	int fd = dup(d.epoll_fd);

	close(fd);
	return fd;
}

static void forget(void)
{
	struct wgx_served *s, *next;

	for (int i = 0; i < CONNECTIONS; i++)
		if (connections[i].fd >= 0)
			close_connection(&connections[i]);
	assert_true(cds_list_empty(&d.control_clients));
	assert_false(wgx_news_wanted(&d.news));
	cds_list_for_each_entry_safe(s, next, &d.ifaces, all) {
		assert_null(s->waiting);
		delete_served(s);
	}
	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++)
		detach(&devices[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct connection *k = &connections[0];
	const uint8_t *end = data + size, *newline;
	bool crowded = false;
	int fd = free_fd();

	next_looks = default_route = failed_once = false;
	size_of_show = step = fail_in = n_told = 0;
	for (unsigned int i = 0; i < LINES && data < end; i++, data = newline) {
		newline = memchr(data, '\n', (size_t)(end - data));
		newline = newline ? newline + 1 : end;
		if (is_op(*data)) {
			struct bytes b = {data, (size_t)(newline - data)};

			if (*data == OP_CROWD && crowded)
				continue;
			crowded |= *data == OP_CROWD;
			happen(&k, &b);
		} else {
			say(k, data, (size_t)(newline - data), newline[-1] == '\n');
		}
		settle();
	}
	forget();
	assert_int_equal(free_fd(), fd);
	return 0;
}

/* ---- inputs ---- */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

static uint32_t draw(unsigned int *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)*seed * below >> 32);
}

#define DRAW(seed, list) (list)[draw(seed, sizeof(list) / sizeof(*(list)))]

static size_t make_request(char *line, size_t size, unsigned int *seed)
{
	static const char *const commands[] = {"create", "delete",  "attach", "detach",	  "show",
					       "name",	 "monitor", "twin",   "handover", "freeze"};
	static const struct {
		const char *name, *values[6];
	} members[] = {
		{"interface", {"\"wg0\"", "\"wg0\"", "\"wg1\"", "\"wg2\"", "\"\"", "7"}},
		{"wait", {"true", "true", "true", "false", "1", "null"}},
		{"workers", {"0", "1", "2", "-1", "9999999999", "\"2\""}},
		{"device", {"\"eth0\"", "\"eth0\"", "\"eth1\"", "\"eth2\"", "\"\"", "1"}},
		{"mode", {"\"auto\"", "\"tcx\"", "\"native\"", "\"generic\"", "\"x\"", "1"}},
		{"lan", {"\"tcx\"", "\"native\"", "\"x\"", "null", "true", "\"\""}},
		{"transmit", {"true", "false", "1", "true", "null", "\"yes\""}},
		{"strict", {"true", "true", "true", "true", "false", "1"}},
		{"report", {"true", "false", "true", "null", "1", "[]"}},
		{"exempt",
		 {"[]", "[\"10.0.0.0/8\"]", "[\"10.0.0.0/8\",\"fd00::/8\",\"10.0.0.0/8\"]",
		  "[\"0.0.0.0/0\"]", "[1]", "\"none\""}},
		{"protect",
		 {"[]", "[\"fd00::/8\"]", "[\"10.7.0.0/16\",\"fd00::1\"]", "[\"::/0\"]", "[\"\"]",
		  "{}"}},
		{"peer", {"\"b\"", "\"b\"", "\"c\"", "\"\"", "1", "null"}},
		{"name", {"\"a\"", "null", "\"\"", "[]", "1", "\"b\""}},
		{"twin", {"\"a\"", "null", "\"\"", "[]", "1", "\"b\""}},
		{"peers", {"true", "false", "true", "1", "null", "false"}},
		{"format", {"WGX", "WGX", "WGX", "0", "\"1\"", "99"}},
	};
	int n = snprintf(line, size, "{\"cmd\":\"%s\"", DRAW(seed, commands));

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		const char *value = DRAW(seed, members[i].values);
		char format[16];

		if (draw(seed, 2))
			continue;
		snprintf(format, sizeof(format), "%d", WGX_HANDOVER_FORMAT);
		n += snprintf(line + n, size - (size_t)n, ",\"%s\":%s", members[i].name,
			      strcmp(value, "WGX") ? value : format);
	}
	n += snprintf(line + n, size - (size_t)n, "}\n");
	return (size_t)n;
}

static size_t make_op(char *line, unsigned int *seed)
{
	static const char ops[] = {OP_CONNECTION, OP_CONNECTION,    OP_CLOSE, OP_NEWS,	 OP_NEWS,
				   OP_MUTE,	  OP_MUTE,	    OP_SIZE,  OP_PIECES, OP_CROWD,
				   OP_MEMORY,	  OP_DEFAULT_ROUTE, OP_LONG};

	line[0] = DRAW(seed, ops);
	for (int i = 1; i < 4; i++) {
		line[i] = (char)draw(seed, draw(seed, 2) ? 256 : 4);
		if (line[i] == '\n')
			line[i]++;
	}
	line[4] = '\n';
	return 5;
}

/* A line more, somewhere; or as libFuzzer does it. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	char line[1024];
	size_t len, at = size;
	const uint8_t *newline;

	if (draw(&seed, 2))
		return LLVMFuzzerMutate(data, size, max);
	len = draw(&seed, 3) ? make_request(line, sizeof(line), &seed) : make_op(line, &seed);
	if (size && draw(&seed, 4)) {
		at = draw(&seed, (uint32_t)size);
		newline = memchr(data + at, '\n', size - at);
		at = newline ? (size_t)(newline - data) + 1 : size;
	}
	if (size + len > max)
		return LLVMFuzzerMutate(data, size, max);
	memmove(data + at + len, data + at, size - at);
	memcpy(data + at, line, len);
	return size + len;
}
