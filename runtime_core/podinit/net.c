// SPDX-License-Identifier: Apache-2.0
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 512, ANSWER_MAX = 4096, HINT_MAX = 128 };

// One netlink message in the making. An attribute that does not fit marks the request; exchange() then refuses it.
struct request {
	union {
		struct nlmsghdr header;
		char bytes[REQUEST_MAX];
	};
	bool overflow;
	char hint[HINT_MAX]; // the kernel's own words about a refusal (extended ack), or ""
};

__attribute__((format(printf, 5, 6))) static int fail(char *err, size_t n, const char *hint, int error,
						      const char *format, ...)
{
	char what[160];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(err, n, "%s: %s%s%s%s", what, strerror(error), hint[0] ? " (" : "", hint, hint[0] ? ")" : "");
	return -1;
}

static size_t append(struct request *r, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(r->header.nlmsg_len);

	if (at + len > sizeof(r->bytes)) {
		r->overflow = true;
		return 0;
	}
	memcpy(r->bytes + at, data, len);
	r->header.nlmsg_len = (uint32_t)(at + len);
	return at;
}

static void request_init(struct request *r, uint16_t type, uint16_t flags, const void *payload, size_t len)
{
	memset(r, 0, sizeof(*r));
	r->header.nlmsg_len = NLMSG_HDRLEN;
	r->header.nlmsg_type = type;
	r->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	append(r, payload, len);
}

static void put(struct request *r, uint16_t type, const void *data, size_t len)
{
	const struct rtattr attribute = {.rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = type};

	append(r, &attribute, sizeof(attribute));
	append(r, data, len);
}

static void put_u32(struct request *r, uint16_t type, uint32_t value)
{
	put(r, type, &value, sizeof(value));
}

static void put_string(struct request *r, uint16_t type, const char *text)
{
	size_t len = strlen(text) + 1;

	if (len > REQUEST_MAX)
		r->overflow = true;
	else
		put(r, type, text, len);
}

static size_t nest(struct request *r, uint16_t type)
{
	const struct rtattr attribute = {.rta_len = 0, .rta_type = type};

	return append(r, &attribute, sizeof(attribute));
}

static void nest_end(struct request *r, size_t at)
{
	uint16_t len = (uint16_t)(r->header.nlmsg_len - at);

	if (!r->overflow)
		memcpy(r->bytes + at + offsetof(struct rtattr, rta_len), &len, sizeof(len));
}

// Copy the extended ack's message, if the kernel sent one. NETLINK_CAP_ACK keeps our own request out of the answer, so
// the attributes follow the error code at once.
static void read_hint(struct request *r, const char *message, size_t len)
{
	size_t at = NLMSG_ALIGN(NLMSG_LENGTH(sizeof(struct nlmsgerr)));

	while (at + sizeof(struct nlattr) <= len) {
		struct nlattr attribute;

		memcpy(&attribute, message + at, sizeof(attribute));
		if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > len - at)
			return;
		if ((attribute.nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG)
			snprintf(r->hint, sizeof(r->hint), "%.*s", (int)(attribute.nla_len - sizeof(attribute)),
				 message + at + sizeof(attribute));
		at += NLA_ALIGN(attribute.nla_len);
	}
}

// Wait for the kernel's ack; rtnetlink handles a request inside sendto(), so it is there already. Returns 0 or an errno.
static int receive_ack(int fd, struct request *r)
{
	_Alignas(struct nlmsghdr) char answer[ANSWER_MAX];
	struct sockaddr_nl from = {0};
	struct nlmsghdr header;
	struct nlmsgerr ack;
	ssize_t len;

	do {
		socklen_t size = sizeof(from);

		len = recvfrom(fd, answer, sizeof(answer), 0, (struct sockaddr *)&from, &size);
	} while ((len < 0 && errno == EINTR) || (len >= 0 && from.nl_pid != 0)); // 0 is the kernel
	if (len < 0)
		return errno;
	if ((size_t)len < NLMSG_LENGTH(sizeof(ack)))
		return EPROTO;
	memcpy(&header, answer, sizeof(header));
	memcpy(&ack, NLMSG_DATA(answer), sizeof(ack));
	if (header.nlmsg_type != NLMSG_ERROR || header.nlmsg_len > (size_t)len || ack.error > 0)
		return EPROTO;
	if (header.nlmsg_flags & NLM_F_ACK_TLVS)
		read_hint(r, answer, header.nlmsg_len);
	return -ack.error;
}

// Send one request from the caller's network namespace (a socket stays in the one it was made in). Returns 0 or an errno.
static int exchange(struct request *r)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	const int on = 1;
	ssize_t sent;
	int fd, error;

	if (r->overflow)
		return ENAMETOOLONG;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return errno;
	// Both only improve messages; a kernel older than 4.12 has neither.
	if (setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) == 0)
		setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	do
		sent = sendto(fd, r->bytes, r->header.nlmsg_len, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
	while (sent < 0 && errno == EINTR);
	error = sent < 0 ? errno : receive_ack(fd, r);
	close(fd);
	return error;
}

static int link_up(const char *ifname, char *err, size_t n)
{
	const struct ifinfomsg up = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct request r;
	int error;

	request_init(&r, RTM_SETLINK, 0, &up, sizeof(up));
	put_string(&r, IFLA_IFNAME, ifname);
	error = exchange(&r);
	return error ? fail(err, n, r.hint, error, "cannot bring interface %s up", ifname) : 0;
}

int net_loopback_up(char *err, size_t n)
{
	return link_up("lo", err, n);
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
		return fail(err, n, "", errno, "cannot add veth %s to bridge %s", c->host_ifname, c->bridge);
	request_init(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof(up));
	put_string(&r, IFLA_IFNAME, c->host_ifname);
	put_u32(&r, IFLA_MTU, (uint32_t)c->mtu);
	put_u32(&r, IFLA_MASTER, bridge);
	info = nest(&r, IFLA_LINKINFO);
	put_string(&r, IFLA_INFO_KIND, "veth");
	data = nest(&r, IFLA_INFO_DATA);
	peer = nest(&r, VETH_INFO_PEER);
	append(&r, &peer_link, sizeof(peer_link));
	put_string(&r, IFLA_IFNAME, c->ifname);
	put_u32(&r, IFLA_MTU, (uint32_t)c->mtu);
	put_u32(&r, IFLA_NET_NS_PID, (uint32_t)pause);
	nest_end(&r, peer);
	nest_end(&r, data);
	nest_end(&r, info);
	error = exchange(&r);
	return error ? fail(err, n, r.hint, error, "cannot add veth %s to bridge %s", c->host_ifname, c->bridge) : 0;
}

static int add_address(const struct net_config *c, unsigned int index, struct in_addr address, char *err, size_t n)
{
	const struct ifaddrmsg message = {.ifa_family = AF_INET, .ifa_prefixlen = (uint8_t)c->prefix, .ifa_index = index};
	const uint32_t broadcast = address.s_addr | htonl((uint32_t)(0xffffffffULL >> c->prefix));
	struct request r;
	int error;

	request_init(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &message, sizeof(message));
	put(&r, IFA_LOCAL, &address, sizeof(address));
	put(&r, IFA_ADDRESS, &address, sizeof(address));
	put(&r, IFA_BROADCAST, &broadcast, sizeof(broadcast));
	error = exchange(&r);
	return error ? fail(err, n, r.hint, error, "cannot give %s the address %s/%d", c->ifname, c->address, c->prefix)
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
	put(&r, RTA_GATEWAY, &gateway, sizeof(gateway));
	put_u32(&r, RTA_OIF, index);
	error = exchange(&r);
	return error ? fail(err, n, r.hint, error, "cannot route %s through %s", c->ifname, c->gateway) : 0;
}

int net_configure(const struct net_config *c, char *err, size_t n)
{
	struct in_addr address, gateway;
	unsigned int index;

	if (c->prefix < 0 || c->prefix > 32 || inet_pton(AF_INET, c->address, &address) != 1)
		return fail(err, n, "", EINVAL, "cannot give %s the address %s/%d", c->ifname, c->address, c->prefix);
	if (inet_pton(AF_INET, c->gateway, &gateway) != 1)
		return fail(err, n, "", EINVAL, "cannot route %s through %s", c->ifname, c->gateway);
	index = if_nametoindex(c->ifname);
	if (index == 0)
		return fail(err, n, "", errno, "cannot find interface %s", c->ifname);
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
	put_string(&r, IFLA_IFNAME, host_ifname);
	error = exchange(&r);
	return error && error != ENODEV ? fail(err, n, r.hint, error, "cannot delete veth %s", host_ifname) : 0;
}
