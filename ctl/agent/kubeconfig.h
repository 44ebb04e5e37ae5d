/* SPDX-License-Identifier: MIT */
/* How to get to the API server: from inside of a cluster, or from a kubeconfig file. */
#ifndef WGX_AGENT_KUBECONFIG_H
#define WGX_AGENT_KUBECONFIG_H

#include <stddef.h>

/**
 * struct wgx_kube - for wgx_kube_free(); each text may be NULL
 * @server: https://HOST:PORT, without a slash at the end
 * @ca_file, @token_file, @cert_file, @key_file: read again whenever they are needed
 * @ca, @cert, @key: PEM, from the file itself
 */
struct wgx_kube {
	char *server, *host;
	char *ca_file, *cert_file, *key_file, *token_file;
	char *ca, *cert, *key, *token;
};

/** wgx_kube_in_cluster() - as a pod finds it: KUBERNETES_SERVICE_HOST and _PORT, and its service account; 0, -ENOENT */
int wgx_kube_in_cluster(struct wgx_kube *ret);
/**
 * wgx_kube_load() - the current context of a kubeconfig
 * @error: for the user, of @size bytes, on failure. Return: 0 or negative errno.
 *
 * Relative paths are relative to the file. Programs that give a token (exec) and servers without a certificate are not
 * supported.
 */
int wgx_kube_load(const char *path, struct wgx_kube *ret, char *error, size_t size);
void wgx_kube_free(struct wgx_kube *k);

/**
 * wgx_kube_read_token() - what is in a token file, without white space at its end
 * Return: a text that the caller wipes and frees; NULL: none can be read, or it is none: empty, longer than 64 KiB, or
 * with a character that would break out of a line of HTTP.
 */
char *wgx_kube_read_token(const char *path);

#endif
