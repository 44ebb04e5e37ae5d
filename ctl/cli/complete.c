/* SPDX-License-Identifier: MIT */
#include "cli/complete.h"

#include <ctype.h>
#include <dirent.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"

#define TOKENS_MAX 64
#define PATIENCE_S 2 /* for the daemon: somebody waits at the prompt */
#define CONF_DIR "/etc/wireguard"

/* A piece of a usage text. */
struct token {
	const char *text;
	size_t len;
	int depth; /* of brackets */
	bool bar; /* between alternatives */
	bool value; /* of the option before, the next word */
	bool equal; /* "=tcx|native": of the option before, in the same word, or none */
};

struct grammar {
	struct token tokens[TOKENS_MAX];
	size_t n;
};

/* The line as it is typed. */
struct line {
	const struct wgx_vocabulary *v;
	struct grammar g;
	char **words; /* behind the command */
	int n; /* the last is not complete */
	const char *cur; /* that one, but for what is before a value: "--mode=" */
	const char *whole;
	const char *interface; /* among the words, as far as is known; NULL: none */
};

/* ---- grammars ---- */

static bool is_option(const struct token *t)
{
	return t->len > 1 && t->text[0] == '-';
}

static bool is_literal(const struct token *t)
{
	return islower((unsigned char)t->text[0]);
}

/* An option that is followed by a word in capitals, or by a choice of words, takes it for its value. */
static bool is_value(const struct token *t, const struct token *before, bool touching)
{
	return before && touching && is_option(before) && !is_option(t) && !t->bar &&
	       !memchr(before->text, '=', before->len);
}

static void parse(const char *text, struct grammar *g)
{
	bool touching = false;
	int depth = 0;

	g->n = 0;
	while (*text && g->n < TOKENS_MAX) {
		struct token *t = &g->tokens[g->n];

		if (strchr(" []", *text)) {
			depth += (*text == '[') - (*text == ']');
			touching = touching && *text == ' ';
			text++;
			continue;
		}
		*t = (struct token){.text = text, .len = strcspn(text, " []"), .depth = depth};
		t->bar = t->len == 1 && *text == '|';
		t->equal = t->text[0] == '=';
		t->value = is_value(t, g->n ? t - 1 : NULL, touching);
		touching = true;
		text += t->len;
		g->n++;
	}
}

/* The end of the alternative that begins at @i */
static size_t alternative_end(const struct grammar *g, size_t i)
{
	while (i < g->n && !(g->tokens[i].bar && !g->tokens[i].depth))
		i++;
	return i;
}

static bool equals(const struct token *t, const char *word)
{
	return strlen(word) == t->len && !memcmp(word, t->text, t->len);
}

static bool is_kind(const struct token *t, const char *kind)
{
	return t->len >= strlen(kind) && !memcmp(t->text, kind, strlen(kind));
}

static bool takes_value(const struct grammar *g, const char *word)
{
	for (size_t i = 0; i + 1 < g->n; i++)
		if (equals(&g->tokens[i], word))
			return g->tokens[i + 1].value;
	return false;
}

/* ---- candidates ---- */

static bool printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

/* @what: NULL: there is nothing to tell of it */
static void offer(const struct line *l, const char *word, const char *what)
{
	if (strncmp(word, l->cur, strlen(l->cur)) != 0 || !printable(word))
		return;
	printf("%.*s%s%s%s\n", (int)(l->cur - l->whole), l->whole, word, what ? "\t" : "",
	       what ? what : "");
}

/* The daemon's answer; NULL: it is silent, or there is none. */
static json_t *ask(json_t *request)
{
	int fd = request ? wgx_client_connect_within(PATIENCE_S) : -1;
	json_t *answer = NULL;

	if (fd >= 0) {
		if (wgx_client_call(fd, request, &answer))
			answer = NULL;
		close(fd);
	}
	json_decref(request);
	return answer;
}

static void offer_interfaces(const struct line *l)
{
	json_t *answer = ask(json_pack("{s:s, s:b}", "cmd", "show", "peers", 0)), *interface;
	size_t i;

	json_array_foreach(json_object_get(answer, "interfaces"), i, interface)
		offer(l, json_string_value(json_object_get(interface, "name")), NULL);
	json_decref(answer);
}

static void offer_peers(const struct line *l)
{
	json_t *answer = l->interface ? ask(json_pack("{s:s, s:s}", "cmd", "show", "interface",
						      l->interface))
				      : NULL;
	json_t *peer;
	size_t i;

	json_array_foreach(json_object_get(json_array_get(json_object_get(answer, "interfaces"), 0),
					   "peers"),
			   i, peer) {
		const char *name = json_string_value(json_object_get(peer, "name"));
		const char *key = json_string_value(json_object_get(peer, "public_key"));

		if (name)
			offer(l, name, key);
		offer(l, key, name);
	}
	json_decref(answer);
}

static void offer_devices(const struct line *l)
{
	struct if_nameindex *list = if_nameindex();

	for (struct if_nameindex *i = list; i && i->if_name; i++)
		if (strcmp(i->if_name, "lo") != 0)
			offer(l, i->if_name, NULL);
	if_freenameindex(list);
}

static void offer_commands(const struct line *l)
{
	for (size_t i = 0; i < l->v->n_commands; i++)
		offer(l, l->v->commands[i].name, l->v->commands[i].summary);
}

static void offer_conf_files(const struct line *l)
{
	DIR *dir = opendir(CONF_DIR);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		char *end = strrchr(e->d_name, '.');

		if (!end || end == e->d_name || strcmp(end, ".conf") != 0)
			continue;
		*end = '\0';
		offer(l, e->d_name, NULL);
	}
	if (dir)
		closedir(dir);
}

static void offer_files(const struct line *l)
{
	puts("@files");
}

/* As up and down have it: a name of a file there, or any file */
static void offer_tunnels(const struct line *l)
{
	offer_conf_files(l);
	offer_files(l);
}

static const struct {
	const char *kind; /* how the token begins */
	void (*offer)(const struct line *l);
} kinds[] = {
	{"IFACE", offer_interfaces},	   {"PEER", offer_peers}, {"DEV", offer_devices},
	{"COMMAND", offer_commands},	   {"DIR", offer_files},  {"FILE", offer_files},
	{"PATH/NAME.conf", offer_tunnels}, {"PATH", offer_files},
};

/* "auto|tcx": both of them */
static void offer_literals(const struct line *l, const struct token *t)
{
	for (size_t at = 0; at < t->len;) {
		size_t n = 0;
		char word[64];

		while (at + n < t->len && t->text[at + n] != '|')
			n++;
		snprintf(word, sizeof(word), "%.*s", (int)n, t->text + at);
		offer(l, word, NULL);
		at += n + 1;
	}
}

static void offer_token(const struct line *l, const struct token *t)
{
	if (is_literal(t)) {
		offer_literals(l, t);
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (is_kind(t, kinds[i].kind)) {
			kinds[i].offer(l);
			return;
		}
}

/* ---- where in a grammar the line is ---- */

/* Next operand of the alternative that ends at @end; NULL: there is none */
static const struct token *next_operand(const struct grammar *g, size_t *at, size_t end)
{
	while (*at < end) {
		const struct token *t = &g->tokens[(*at)++];

		if (!t->bar && !is_option(t) && !t->value && !t->equal)
			return t;
	}
	return NULL;
}

/*
 * Do the words fit the alternative of @at to @end? @ret: the operand that is to be typed, NULL: none more;
 * @l->interface: what stands for IFACE
 */
static bool follow(struct line *l, size_t at, size_t end, const struct token **ret)
{
	const struct token *t;
	bool options = true;

	l->interface = NULL;
	for (int i = 0; i < l->n - 1; i++) {
		const char *word = l->words[i];

		if (options && !strcmp(word, "--")) {
			options = false;
			continue;
		}
		if (options && word[0] == '-' && word[1]) {
			i += takes_value(&l->g, word);
			continue;
		}
		t = next_operand(&l->g, &at, end);
		if (!t || (is_literal(t) && !equals(t, word)))
			return false;
		if (is_kind(t, "IFACE"))
			l->interface = word;
	}
	*ret = next_operand(&l->g, &at, end);
	return true;
}

static bool given(const struct line *l, const struct token *option)
{
	for (int i = 0; i < l->n - 1; i++)
		if (equals(option, l->words[i]))
			return true;
	return false;
}

static bool offered(const struct token *const *list, size_t n, const struct token *t)
{
	for (size_t i = 0; i < n; i++)
		if (list[i]->len == t->len && !memcmp(list[i]->text, t->text, t->len))
			return true;
	return false;
}

/* "--mode", or "--endpoint=" for "--endpoint=ADDRESS:PORT" */
static void offer_options(const struct line *l, size_t at, size_t end)
{
	const struct token *done[TOKENS_MAX];
	size_t n = 0;

	for (; at < end; at++) {
		const struct token *t = &l->g.tokens[at];
		const char *equal = memchr(t->text, '=', t->len);
		char word[64];

		if (!is_option(t) || given(l, t) || offered(done, n, t))
			continue;
		done[n++] = t;
		snprintf(word, sizeof(word), "%.*s",
			 (int)(equal ? equal - t->text + 1 : (ptrdiff_t)t->len), t->text);
		offer(l, word, NULL);
	}
}

/* The value of the option @word, which is the next word */
static void offer_value(const struct line *l, const char *word)
{
	for (size_t i = 0; i + 1 < l->g.n; i++)
		if (equals(&l->g.tokens[i], word) && l->g.tokens[i + 1].value)
			offer_token(l, &l->g.tokens[i + 1]);
}

/* The value in the same word, behind "--preshared-key=": of "--preshared-key=FILE", or "--lan[=tcx|native]" */
static void offer_equal_value(struct line *l, size_t len)
{
	l->cur += len;
	for (size_t i = 0; i < l->g.n; i++) {
		const struct token *t = &l->g.tokens[i];
		struct token value = *t;

		if (t->len > len && !memcmp(t->text, l->whole, len)) {
			value.text += len;
			value.len -= len;
			offer_token(l, &value);
			return;
		}
		if (t->len == len - 1 && !memcmp(t->text, l->whole, len - 1) && i + 1 < l->g.n &&
		    t[1].equal) {
			value = (struct token){.text = t[1].text + 1, .len = t[1].len - 1};
			offer_token(l, &value);
			return;
		}
	}
}

static void complete_arguments(struct line *l, const char *usage)
{
	const struct token *done[TOKENS_MAX], *t;
	const bool option = l->cur[0] == '-';
	size_t n = 0, end;

	parse(usage, &l->g);
	if (l->n > 1 && takes_value(&l->g, l->words[l->n - 2])) {
		offer_value(l, l->words[l->n - 2]);
		return;
	}
	if (option && strchr(l->cur, '=')) {
		offer_equal_value(l, strcspn(l->cur, "=") + 1);
		return;
	}
	for (size_t at = 0; at < l->g.n || !at; at = end + 1) {
		end = alternative_end(&l->g, at);
		if (!follow(l, at, end, &t))
			continue;
		if (option || (!t && !*l->cur))
			offer_options(l, at, end);
		if (!option && t && !offered(done, n, t)) {
			offer_token(l, t);
			done[n++] = t;
		}
	}
	if (option)
		offer(l, "--help", "Show the usage");
}

/* ---- */

/* Of those whose usage has too little */
static const struct {
	const char *name, *usage;
} grammars[] = {
	{"wgconfig",
	 "IFACE show all | IFACE show peer PEER [--show-preshared-key] | IFACE show private-key | "
	 "IFACE set private-key FILE | IFACE set listen-port PORT | IFACE add peer NAME KEY "
	 "[--preshared-key=FILE] [--endpoint=ADDRESS:PORT] [--allowed-ips=NET,...] | "
	 "IFACE delete peer PEER"},
	{"agent",
	 "[--registry=file] [--registry-dir=DIR] [--node=NAME] [--interface=IFACE] "
	 "[--cluster-cidr=NET] [--pod-cidr=NET] [--endpoint=auto|InternalIP|ExternalIP] "
	 "[--listen-port=PORT] [--keepalive=SECONDS] [--mtu=auto] [--underlay=auto|none] "
	 "[--strict] "
	 "[--exempt=NET] [--grace=SECONDS] [--state-dir=DIR] [--table=N] [--rule-priority=N] | "
	 "status [--interface=IFACE] [--json] | peers [--interface=IFACE] [--json] | "
	 "plan [--accept] [--interface=IFACE] [--json] | rotate [--interface=IFACE]"},
	{"top", "[IFACE] [--once] [--interval SECONDS] [--sort traffic|handshake|drops|name]"},
	{"wg-userspace",
	 "ID create | ID destroy | ID ifconfig IFACE | ID wgconfig IFACE | ID debug"},
};

static const char *grammar_of(const struct wgx_command *c)
{
	for (size_t i = 0; i < sizeof(grammars) / sizeof(*grammars); i++)
		if (!strcmp(grammars[i].name, c->name))
			return grammars[i].usage;
	return c->args;
}

static const struct wgx_command *find(const struct wgx_command *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].name, name))
			return &list[i];
	return NULL;
}

static void complete_first(const struct line *l)
{
	offer_commands(l);
	if (l->cur[0] != '-')
		return;
	offer(l, "--foreground", "Create an interface and stay until it is gone");
	offer(l, "--workers", "Create an interface for which so many threads encrypt");
	offer(l, "--help", "Show the commands");
	offer(l, "--version", "Print the version");
}

int wgx_complete(const struct wgx_vocabulary *v, int n, char **words)
{
	struct line l = {.v = v};
	const struct wgx_command *c;
	const char *slash;

	if (n < 2)
		return WGX_EXIT_OK;
	slash = strrchr(words[0], '/');
	c = find(v->programs, v->n_programs, slash ? slash + 1 : words[0]);
	l.cur = l.whole = words[n - 1];
	l.words = words + 1;
	l.n = n - 1;
	if (!c && n == 2) {
		complete_first(&l);
		return WGX_EXIT_OK;
	}
	if (!c) {
		c = find(v->commands, v->n_commands, words[1]);
		l.words++;
		l.n--;
	}
	if (c)
		complete_arguments(&l, grammar_of(c));
	return WGX_EXIT_OK;
}
