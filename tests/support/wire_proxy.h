/* wire_proxy.h -- stands between a client and a real server and does to the bytes what networks do
 *
 * Lives on the test's loop.  Each connection of the client gets one of its own to the server. */
#ifndef BL_TEST_WIRE_PROXY_H
#define BL_TEST_WIRE_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct wire_proxy;

struct wire_proxy *wire_proxy_start(uv_loop_t *loop, const char *listen_path,
                                    const char *server_path);

/* In the next write to the server that holds `mark`, everything behind the mark is kept back, and
 * all that follows on that connection; the server's end stays open when the client goes. */
void wire_proxy_hold_behind(struct wire_proxy *proxy, const char *mark);
bool wire_proxy_holds(const struct wire_proxy *proxy);
/* Delivers what was kept back. */
void wire_proxy_let_go(struct wire_proxy *proxy);

/* Cuts the connection after this many more bytes towards the server; what came before is
 * delivered. */
void wire_proxy_cut_after(struct wire_proxy *proxy, size_t bytes);
bool wire_proxy_has_cut(const struct wire_proxy *proxy);
/* What the server answers no longer arrives, until the connection ends. */
void wire_proxy_swallow_answers(struct wire_proxy *proxy);

void wire_proxy_stop(struct wire_proxy *proxy);

#endif
