// SPDX-License-Identifier: Apache-2.0
// A pod's network, in raw rtnetlink(7). The bridge belongs to the host and must exist; a pod has one veth pair on it.
//
// Every function returns 0, or -1 and one line in err ("cannot add veth pw12 to bridge podwright0: No such device").
// None keeps state, allocates memory or leaves a descriptor open.
#ifndef PODINIT_NET_H
#define PODINIT_NET_H

#include <stddef.h>
#include <sys/types.h>

struct net_config {
	const char *ifname;      // the pod's end: "eth0"
	const char *host_ifname; // the host's end: "pw" and 12 hex digits of the pod's uid
	const char *bridge;
	const char *address; // IPv4, dotted; all addresses are
	const char *gateway;
	int prefix, mtu;
};

// Bring lo up in the caller's network namespace (127.0.0.1 and ::1 come with it).
int net_loopback_up(char *err, size_t n);

// From the host's namespace: make the pair with the pod's end already in the namespace of process `pause`, and the
// host's end up and attached to the bridge. One request: on failure nothing is left. Fails when host_ifname exists:
// whoever repairs a pod calls net_detach first.
int net_attach(const struct net_config *c, pid_t pause, char *err, size_t n);

// From the pod's namespace: address, link up, default route.
int net_configure(const struct net_config *c, char *err, size_t n);

// From the host's namespace: delete the pair. A pair that is not there is success.
int net_detach(const char *host_ifname, char *err, size_t n);

#endif
