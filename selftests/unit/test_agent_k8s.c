/* SPDX-License-Identifier: MIT */
/* What the Kubernetes API says, taken apart: replayed streams, nodes, waits, kubeconfig. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "agent/k8s_stream.h"
#include "agent/kubeconfig.h"

/* A watch as an API server sent it, shortened */
static const char stream[] =
	"{\"type\":\"ADDED\",\"object\":{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\","
	"\"resourceVersion\":\"101\"}}}\n"
	"{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\","
	"\"resourceVersion\":\"102\"}}}\n"
	"{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Node\",\"metadata\":{\"resourceVersion\":"
	"\"150\",\"creationTimestamp\":null},\"spec\":{},\"status\":{}}}\n"
	"{\"type\":\"DELETED\",\"object\":{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\","
	"\"resourceVersion\":\"160\"}}}\n"
	"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
	"\"status\":\"Failure\",\"message\":\"too old resource version: 1 (150)\",\"reason\":"
	"\"Expired\",\"code\":410}}\n";

static void check_stream(size_t step)
{
	static const struct {
		enum wgx_k8s_event_type type;
		const char *version, *name;
		int code;
	} wanted[] = {
		{WGX_K8S_UPSERT, "101", "a", 0},    {WGX_K8S_UPSERT, "102", "a", 0},
		{WGX_K8S_BOOKMARK, "150", NULL, 0}, {WGX_K8S_DELETED, "160", "a", 0},
		{WGX_K8S_ERROR, NULL, NULL, 410},
	};
	struct wgx_k8s_frames f = {0};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(stream) - 1; i += step) {
		size_t len = sizeof(stream) - 1 - i < step ? sizeof(stream) - 1 - i : step, at = 0;
		char *text;

		assert_int_equal(wgx_k8s_frames_add(&f, stream + i, len), 0);
		while ((text = wgx_k8s_frames_next(&f, &at))) {
			struct wgx_k8s_event e;

			assert_int_equal(wgx_k8s_event_parse(text, strlen(text), &e), 0);
			assert_true(n < 5);
			assert_int_equal(e.type, wanted[n].type);
			assert_int_equal(e.code, wanted[n].code);
			if (wanted[n].version)
				assert_string_equal(e.version, wanted[n].version);
			else
				assert_null(e.version);
			if (wanted[n].name)
				assert_string_equal(wgx_k8s_name(e.object), wanted[n].name);
			json_decref(e.root);
			n++;
		}
		wgx_k8s_frames_drop(&f, at);
	}
	assert_int_equal(n, 5);
	assert_int_equal(f.len, 0);
	wgx_k8s_frames_free(&f);
}

static void split_frames(void **state)
{
	for (size_t step = 1; step < sizeof(stream); step++)
		check_stream(step);
}

static void empty_lines_and_returns(void **state)
{
	struct wgx_k8s_frames f = {0};
	size_t at = 0;

	assert_int_equal(wgx_k8s_frames_add(&f, "\n\r\n{}\r\n\n{", 9), 0);
	assert_string_equal(wgx_k8s_frames_next(&f, &at), "{}");
	assert_null(wgx_k8s_frames_next(&f, &at));
	wgx_k8s_frames_drop(&f, at);
	assert_int_equal(f.len, 1);
	assert_int_equal(f.data[0], '{');
	wgx_k8s_frames_free(&f);
}

/* A node of five megabytes passes; a line that does not end is refused before it eats all memory. */
static void large_frames(void **state)
{
	struct wgx_k8s_frames f = {0};
	char *block = malloc(1 << 20), *text;
	size_t at = 0;

	assert_non_null(block);
	memset(block, 'x', 1 << 20);
	for (int i = 0; i < 5; i++)
		assert_int_equal(wgx_k8s_frames_add(&f, block, 1 << 20), 0);
	assert_null(wgx_k8s_frames_next(&f, &at));
	assert_int_equal(wgx_k8s_frames_add(&f, "\n", 1), 0);
	text = wgx_k8s_frames_next(&f, &at);
	assert_non_null(text);
	assert_int_equal(strlen(text), 5 << 20);
	wgx_k8s_frames_drop(&f, at);
	for (int i = 0; i < 16; i++)
		assert_int_equal(wgx_k8s_frames_add(&f, block, 1 << 20), 0);
	assert_int_equal(wgx_k8s_frames_add(&f, "x", 1), -EMSGSIZE);
	wgx_k8s_frames_free(&f);
	free(block);
}

static void no_events(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"[]",
		"{}",
		"{\"type\":\"ADDED\"}",
		"{\"type\":7,\"object\":{}}",
		"{\"type\":\"ADDED\",\"object\":[]}",
		"{\"type\":\"ADDED\",\"object\":{}",
		"{\"type\":\"ADDED\",\"type\":\"ADDED\",\"object\":{}}",
	};
	struct wgx_k8s_event e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(wgx_k8s_event_parse(bad[i], strlen(bad[i]), &e), -EBADMSG);
	assert_int_equal(wgx_k8s_event_parse("{\"type\":\"LATER\",\"object\":{}}", 28, &e), 0);
	assert_int_equal(e.type, WGX_K8S_UNKNOWN);
	json_decref(e.root);
}

/* ---- nodes ---- */

static struct wgx_k8s_node n;
static char problem[256];

static int parse(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);
	int err;

	assert_non_null(o);
	wgx_node_free(&n.node);
	err = wgx_k8s_node_parse(o, &n, problem, sizeof(problem));
	json_decref(o);
	return err;
}

static void dual_stack_node(void **state)
{
	char text[WGX_PREFIX_TEXT];

	assert_int_equal(
		parse("{\"metadata\":{\"name\":\"a\",\"uid\":\"u-1\"},\"spec\":{\"podCIDR\":"
		      "\"10.244.1.0/24\",\"podCIDRs\":[\"10.244.1.0/24\",\"fd10:244:0:1::/64\"]},"
		      "\"status\":{\"addresses\":[{\"type\":\"Hostname\",\"address\":\"a\"},"
		      "{\"type\":\"InternalIP\",\"address\":\"192.0.2.1\"},"
		      "{\"type\":\"InternalIP\",\"address\":\"2001:db8::1\"},"
		      "{\"type\":\"ExternalIP\",\"address\":\"203.0.113.1\"}]}}"),
		0);
	assert_false(n.node.has_key);
	assert_string_equal(n.uid, "u-1");
	assert_int_equal(n.node.n_cidrs, 2);
	assert_string_equal(wgx_prefix_format(&n.node.cidrs[1], text), "fd10:244:0:1::/64");
	assert_int_equal(n.n_internal, 2);
	assert_int_equal(n.internal[1].addr.sa.sa_family, AF_INET6);
	assert_int_equal(n.n_external, 1);
}

static void old_and_empty_nodes(void **state)
{
	assert_int_equal(parse("{\"metadata\":{\"name\":\"a\"},\"spec\":{\"podCIDR\":"
			       "\"10.244.1.0/24\"}}"),
			 0);
	assert_int_equal(n.node.n_cidrs, 1);
	assert_int_equal(parse("{\"metadata\":{\"name\":\"a\"}}"), 0);
	assert_int_equal(n.node.n_cidrs, 0);
}

static void bad_annotations(void **state)
{
	assert_int_equal(parse("{\"metadata\":{\"name\":\"a\",\"annotations\":{"
			       "\"wgx.dev/public-key\":\"short\"}}}"),
			 -EINVAL);
	assert_string_equal(problem, "public_key: \"short\" is no public key");
	assert_int_equal(parse("{\"metadata\":{\"name\":\"a\",\"annotations\":{"
			       "\"wgx.dev/endpoints\":\"192.0.2.1:5,nowhere\"}}}"),
			 -EINVAL);
	assert_string_equal(problem, "endpoints: \"nowhere\" is no address with a port");
	assert_int_equal(parse("{\"metadata\":{\"name\":\"../a\"}}"), -EINVAL);
}

/* What is published is what others read. */
static void patch_round_trip(void **state)
{
	uint8_t secret[WGX_KEY_LEN] = {1};
	struct wgx_node self = {.has_key = true, .has_next = true};
	json_t *patch;

	wgx_node_set_name(&self, "a");
	crypto_scalarmult_base(self.key, secret);
	secret[1] = 1;
	crypto_scalarmult_base(self.next, secret);
	assert_int_equal(wgx_endpoint_parse("192.0.2.1:51820", &self.endpoints[0]), 0);
	assert_int_equal(wgx_endpoint_parse("[2001:db8::1]:51820", &self.endpoints[1]), 0);
	self.n_endpoints = 2;
	assert_int_equal(wgx_node_add_seen(&self, "b", self.key), 0);
	assert_int_equal(wgx_node_add_seen(&self, "c", self.next), 0);
	patch = wgx_k8s_node_patch(&self);
	assert_non_null(patch);
	/* a merge patch: null takes an annotation away */
	assert_true(json_is_null(
		json_object_get(json_object_get(json_object_get(patch, "metadata"), "annotations"),
				"wgx.dev/previous-public-key")));
	json_object_set_new(json_object_get(patch, "metadata"), "name", json_string("a"));
	wgx_node_free(&n.node);
	assert_int_equal(wgx_k8s_node_parse(patch, &n, problem, sizeof(problem)), 0);
	assert_true(wgx_node_equal(&n.node, &self));
	json_decref(patch);
	wgx_node_free(&self);
	wgx_node_free(&n.node);
}

/* ---- waiting ---- */

static void backoff(void **state)
{
	static const uint64_t longest[] = {800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};
	struct wgx_k8s_backoff b = {0};
	uint64_t ms;

	for (int i = 0; i < 8; i++) {
		struct wgx_k8s_backoff copy = b;

		assert_int_equal(wgx_k8s_backoff_failed(&copy, 0, (uint32_t)longest[i] - 1, 0),
				 longest[i]);
		copy = b;
		assert_int_equal(wgx_k8s_backoff_failed(&copy, 0, (uint32_t)longest[i], 0), 1);
		ms = wgx_k8s_backoff_failed(&b, 1000, 7, 0);
		assert_int_equal(ms, 8);
	}
	/* Retry-After is the least */
	assert_int_equal(wgx_k8s_backoff_failed(&b, 1000, 7, 45), 45000);
	assert_int_equal(wgx_k8s_backoff_failed(&b, 1000, 7, 4000000000U), 3600000);
	wgx_k8s_backoff_healthy(&b, 1000 + 119999);
	assert_int_equal(wgx_k8s_backoff_failed(&b, 1000, 29999, 0), 30000);
	wgx_k8s_backoff_healthy(&b, 1000 + 120000);
	assert_int_equal(wgx_k8s_backoff_failed(&b, 1000, 799, 0), 800);
}

/* ---- kubeconfig ---- */

static struct wgx_kube kube;

static int load(const char *text)
{
	char path[] = "/tmp/wgx-kubeconfig.XXXXXX";
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	wgx_kube_free(&kube);
	err = wgx_kube_load(path, &kube, problem, sizeof(problem));
	unlink(path);
	return err;
}

#define CONFIG(cluster, user)                                                      \
	"apiVersion: v1\nkind: Config\ncurrent-context: two\n"                     \
	"clusters: [{name: c, cluster: {" cluster "}}]\n"                          \
	"users: [{name: other, user: {token: no}}, {name: u, user: {" user "}}]\n" \
	"contexts:\n- name: one\n  context: {cluster: x, user: y}\n"               \
	"- name: two\n  context: {cluster: c, user: u}\n"

static void kubeconfigs(void **state)
{
	assert_int_equal(
		load(CONFIG("server: 'https://192.0.2.1:6443/', certificate-authority: ca.crt",
			    "client-certificate: /etc/c.crt, client-key: k/c.key")),
		0);
	assert_string_equal(kube.server, "https://192.0.2.1:6443");
	assert_string_equal(kube.host, "192.0.2.1");
	assert_string_equal(kube.ca_file, "/tmp/ca.crt");
	assert_string_equal(kube.cert_file, "/etc/c.crt");
	assert_string_equal(kube.key_file, "/tmp/k/c.key");
	assert_null(kube.token);
	assert_int_equal(load(CONFIG("server: 'https://[2001:db8::1]:6443', "
				     "certificate-authority-data: SGVsbG8=",
				     "token: abc, tokenFile: /run/token")),
			 0);
	assert_string_equal(kube.host, "2001:db8::1");
	assert_string_equal(kube.ca, "Hello");
	assert_string_equal(kube.token, "abc");
	assert_string_equal(kube.token_file, "/run/token");
	wgx_kube_free(&kube);
}

/* As kubectl has it: what is empty is not there. */
static void empty_kubeconfigs(void **state)
{
	assert_int_equal(load(CONFIG("server: 'https://h', certificate-authority: ''",
				     "token: '', tokenFile: /run/token")),
			 0);
	assert_null(kube.ca_file);
	assert_null(kube.token);
	assert_string_equal(kube.token_file, "/run/token");
	wgx_kube_free(&kube);
}

static void bad_kubeconfigs(void **state)
{
	assert_int_equal(load("{"), -EINVAL);
	assert_int_equal(load("[]"), -EINVAL);
	assert_int_equal(load(""), -EINVAL);
	assert_int_equal(load(CONFIG("server: 'http://192.0.2.1'", "token: x")), -EINVAL);
	assert_non_null(strstr(problem, "the cluster's server is no https URL"));
	assert_int_equal(
		load(CONFIG("server: 'https://h', insecure-skip-tls-verify: true", "token: x")),
		-EINVAL);
	assert_int_equal(load(CONFIG("server: 'https://h'", "exec: {command: aws}")), -EINVAL);
	assert_non_null(strstr(problem, "exec or auth-provider"));
	assert_int_equal(load(CONFIG("server: 'https://h'", "client-key-data: '*'")), -EINVAL);
	assert_int_equal(load(CONFIG("server: 'https://'", "token: x")), -EINVAL);
	assert_int_equal(load(CONFIG("server: 'https://:6443'", "token: x")), -EINVAL);
	assert_non_null(strstr(problem, "without a host"));
	assert_int_equal(load(CONFIG("server: 'https://[fd96::1/'", "token: x")), -EINVAL);
	assert_int_equal(load(CONFIG("server: 'https://[]'", "token: x")), -EINVAL);
	/* of which "me" would be asked for, and the request go to h */
	assert_int_equal(load(CONFIG("server: 'https://me:pw@h/'", "token: x")), -EINVAL);
	assert_non_null(strstr(problem, "without a host"));
	assert_int_equal(load(CONFIG("server: 'https://h h'", "token: x")), -EINVAL);
	/* it would be a header of its own */
	assert_int_equal(load(CONFIG("server: 'https://h'", "token: \"a\\r\\nX: b\"")), -EINVAL);
	assert_non_null(strstr(problem, "a character that no token has"));
	assert_int_equal(wgx_kube_load("/nonexistent", &kube, problem, sizeof(problem)), -ENOENT);
}

/* Of a file with @text, for free() */
static char *token_of(const char *text)
{
	char path[] = "/tmp/wgx-test-XXXXXX", *token;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	token = wgx_kube_read_token(path);
	unlink(path);
	return token;
}

static void token_files(void **state)
{
	char *token = token_of("abc.def \r\n"), *lines = token_of("abc\r\nX: b\n");

	assert_string_equal(token, "abc.def");
	assert_null(lines); /* they would be a header of their own */
	assert_null(token_of(""));
	assert_null(token_of("\n"));
	assert_null(wgx_kube_read_token("/nonexistent"));
	free(token);
}

static void in_cluster(void **state)
{
	unsetenv("KUBERNETES_SERVICE_HOST");
	assert_int_equal(wgx_kube_in_cluster(&kube), -ENOENT);
	setenv("KUBERNETES_SERVICE_HOST", "fd96::1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	assert_int_equal(wgx_kube_in_cluster(&kube), 0);
	assert_string_equal(kube.server, "https://[fd96::1]:443");
	wgx_kube_free(&kube);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_frames),	   cmocka_unit_test(empty_lines_and_returns),
		cmocka_unit_test(large_frames),	   cmocka_unit_test(no_events),
		cmocka_unit_test(dual_stack_node), cmocka_unit_test(old_and_empty_nodes),
		cmocka_unit_test(bad_annotations), cmocka_unit_test(patch_round_trip),
		cmocka_unit_test(backoff),	   cmocka_unit_test(kubeconfigs),
		cmocka_unit_test(bad_kubeconfigs), cmocka_unit_test(token_files),
		cmocka_unit_test(in_cluster),	   cmocka_unit_test(empty_kubeconfigs),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
