// SPDX-License-Identifier: Apache-2.0
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include "rtnetlink.h"

static int link_up(const char *ifname, char *err, size_t n)
{
	const struct ifinfomsg up = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct request r;
	int error;

	request_init(&r, RTM_SETLINK, 0, &up, sizeof(up));
	request_put_string(&r, IFLA_IFNAME, ifname);
	error = request_exchange(&r);
	return error ? request_fail(err, n, r.hint, error, "cannot bring interface %s up", ifname) : 0;
}

int net_loopback_up(char *err, size_t n)
{
	return link_up("lo", err, n);
}

// Two first bytes of a locally administered address, then the pod's IPv4 address, which is free for the next pod once
// this one is gone: with an address of its own that one would not be found where a neighbour cache still has this one.
static int put_mac(struct request *r, const struct net_config *c)
{
	uint8_t mac[6] = {0x02, 0x50};

	if (inet_pton(AF_INET, c->address, mac + 2) != 1)
		return -1;
	request_put(r, IFLA_ADDRESS, mac, sizeof(mac));
	return 0;
}

int net_attach(const struct net_config *c, pid_t pause, char *err, size_t n)
{
	const struct ifinfomsg up = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	const struct ifinfomsg peer_link = {.ifi_family = AF_UNSPEC};
	unsigned int bridge = if_nametoindex(c->bridge);
	size_t info, data, peer;
	struct request r;
	int error;

	if (bridge == 0)
		return request_fail(err, n, "", errno, "cannot add veth %s to bridge %s", c->host_ifname, c->bridge);
	request_init(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof(up));
	request_put_string(&r, IFLA_IFNAME, c->host_ifname);
	request_put_u32(&r, IFLA_MTU, (uint32_t)c->mtu);
	request_put_u32(&r, IFLA_MASTER, bridge);
	info = request_nest(&r, IFLA_LINKINFO);
	request_put_string(&r, IFLA_INFO_KIND, "veth");
	data = request_nest(&r, IFLA_INFO_DATA);
	peer = request_nest(&r, VETH_INFO_PEER);
	request_append(&r, &peer_link, sizeof(peer_link));
	request_put_string(&r, IFLA_IFNAME, c->ifname);
	if (put_mac(&r, c) < 0)
		return request_fail(err, n, "", EINVAL, "cannot give %s the address %s", c->ifname, c->address);
	request_put_u32(&r, IFLA_MTU, (uint32_t)c->mtu);
	request_put_u32(&r, IFLA_NET_NS_PID, (uint32_t)pause);
	request_nest_end(&r, peer);
	request_nest_end(&r, data);
	request_nest_end(&r, info);
	error = request_exchange(&r);
	return error ? request_fail(err, n, r.hint, error, "cannot add veth %s to bridge %s", c->host_ifname, c->bridge) : 0;
}

static int add_address(const struct net_config *c, unsigned int index, struct in_addr address, char *err, size_t n)
{
	const struct ifaddrmsg message = {.ifa_family = AF_INET, .ifa_prefixlen = (uint8_t)c->prefix, .ifa_index = index};
	const uint32_t broadcast = address.s_addr | htonl((uint32_t)(0xffffffffULL >> c->prefix));
	struct request r;
	int error;

	request_init(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &message, sizeof(message));
	request_put(&r, IFA_LOCAL, &address, sizeof(address));
	request_put(&r, IFA_ADDRESS, &address, sizeof(address));
	request_put(&r, IFA_BROADCAST, &broadcast, sizeof(broadcast));
	error = request_exchange(&r);
	return error ? request_fail(err, n, r.hint, error, "cannot give %s the address %s/%d", c->ifname, c->address, c->prefix)
		     : 0;
}

static int add_default_route(const struct net_config *c, unsigned int index, struct in_addr gateway, char *err, size_t n)
{
	const struct rtmsg message = {.rtm_family = AF_INET,
				      .rtm_table = RT_TABLE_MAIN,
				      .rtm_protocol = RTPROT_BOOT,
				      .rtm_scope = RT_SCOPE_UNIVERSE,
				      .rtm_type = RTN_UNICAST};
	struct request r;
	int error;

	request_init(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &message, sizeof(message));
	request_put(&r, RTA_GATEWAY, &gateway, sizeof(gateway));
	request_put_u32(&r, RTA_OIF, index);
	error = request_exchange(&r);
	return error ? request_fail(err, n, r.hint, error, "cannot route %s through %s", c->ifname, c->gateway) : 0;
}

int net_configure(const struct net_config *c, char *err, size_t n)
{
	struct in_addr address, gateway;
	unsigned int index;

	if (c->prefix < 0 || c->prefix > 32 || inet_pton(AF_INET, c->address, &address) != 1)
		return request_fail(err, n, "", EINVAL, "cannot give %s the address %s/%d", c->ifname, c->address, c->prefix);
	if (inet_pton(AF_INET, c->gateway, &gateway) != 1)
		return request_fail(err, n, "", EINVAL, "cannot route %s through %s", c->ifname, c->gateway);
	index = if_nametoindex(c->ifname);
	if (index == 0)
		return request_fail(err, n, "", errno, "cannot find interface %s", c->ifname);
	if (add_address(c, index, address, err, n) < 0 || link_up(c->ifname, err, n) < 0)
		return -1;
	return add_default_route(c, index, gateway, err, n);
}

int net_detach(const char *host_ifname, char *err, size_t n)
{
	const struct ifinfomsg any = {.ifi_family = AF_UNSPEC};
	struct request r;
	int error;

	request_init(&r, RTM_DELLINK, 0, &any, sizeof(any));
	request_put_string(&r, IFLA_IFNAME, host_ifname);
	error = request_exchange(&r);
	return error && error != ENODEV ? request_fail(err, n, r.hint, error, "cannot delete veth %s", host_ifname) : 0;
}
