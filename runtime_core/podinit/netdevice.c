// SPDX-License-Identifier: Apache-2.0
#include "netdevice.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "channel.h"
#include "kernel.h"
#include "rtnetlink.h"

#define MAX_ADDRESSES 64

// The kernel takes an interface's addresses away when it moves.
struct address {
	struct ifaddrmsg header;
	unsigned char local[16], address[16];
	size_t length;
};

struct device {
	const char *name, *inside;
	unsigned index;
	size_t count;
	struct address addresses[MAX_ADDRESSES];
};

static void remember(struct device *device, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *header = NLMSG_DATA(message);
	struct address *address = &device->addresses[device->count];
	if (message->nlmsg_type != RTM_NEWADDR || header->ifa_index != device->index ||
	    header->ifa_scope != RT_SCOPE_UNIVERSE || device->count == MAX_ADDRESSES)
		return;
	*address = (struct address){ .header = *header };
	int left = (int)IFA_PAYLOAD(message);
	for (struct rtattr *item = IFA_RTA(header); RTA_OK(item, left); item = RTA_NEXT(item, left)) {
		size_t length = RTA_PAYLOAD(item);
		if ((item->rta_type != IFA_LOCAL && item->rta_type != IFA_ADDRESS) || length > sizeof address->local)
			continue;
		memcpy(item->rta_type == IFA_LOCAL ? address->local : address->address, RTA_DATA(item), length);
		address->length = length;
		if (item->rta_type == IFA_ADDRESS && header->ifa_family == AF_INET6)
			memcpy(address->local, RTA_DATA(item), length); // IPv6 has no other
	}
	device->count++;
}

static int read_addresses(struct device *device, struct failure *failure)
{
	_Alignas(struct nlmsghdr) static char answer[32768];
	struct {
		struct nlmsghdr header;
		struct ifaddrmsg all;
	} dump = { .header = { .nlmsg_len = sizeof dump, .nlmsg_type = RTM_GETADDR,
			       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0 || send(fd, &dump, sizeof dump, 0) < 0)
		return fail_at(failure, "ask for the addresses of", device->name);
	for (;;) {
		ssize_t got = recv(fd, answer, sizeof answer, 0);
		if (got <= 0)
			return fail_at(failure, "read the addresses of", device->name);
		unsigned left = (unsigned)got;
		for (struct nlmsghdr *message = (void *)answer; NLMSG_OK(message, left);
		     message = NLMSG_NEXT(message, left)) {
			if (message->nlmsg_type == NLMSG_DONE)
				return 0;
			remember(device, message);
		}
	}
}

static int move(const struct device *device, pid_t pid, struct failure *failure)
{
	struct request request;
	struct ifinfomsg link = { .ifi_family = AF_UNSPEC, .ifi_index = (int)device->index, .ifi_change = IFF_UP };
	request_init(&request, RTM_NEWLINK, 0, &link, sizeof link);
	request_put_u32(&request, IFLA_NET_NS_PID, (uint32_t)pid);
	request_put_string(&request, IFLA_IFNAME, device->inside);
	int error = request_exchange(&request);
	if (error == 0)
		return 0;
	return request_fail(failure->reason, sizeof failure->reason, request.hint, error,
			    "cannot move interface %s into the container as %s", device->name, device->inside);
}

// In the container's network namespace.
static int set_up(const struct device *device, struct failure *failure)
{
	struct request request;
	unsigned index = if_nametoindex(device->inside);
	struct ifinfomsg up = { .ifi_family = AF_UNSPEC, .ifi_index = (int)index, .ifi_flags = IFF_UP,
				.ifi_change = IFF_UP };
	if (index == 0)
		return fail_at(failure, "find the moved interface", device->inside);
	for (size_t i = 0; i < device->count; i++) {
		struct address address = device->addresses[i];
		address.header.ifa_index = index;
		address.header.ifa_flags = 0;
		request_init(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &address.header, sizeof address.header);
		request_put(&request, IFA_LOCAL, address.local, address.length);
		request_put(&request, IFA_ADDRESS, address.address, address.length);
		int error = request_exchange(&request);
		if (error)
			return request_fail(failure->reason, sizeof failure->reason, request.hint, error,
					    "cannot give interface %s its address back", device->inside);
	}
	request_init(&request, RTM_SETLINK, 0, &up, sizeof up);
	int error = request_exchange(&request);
	if (error)
		return request_fail(failure->reason, sizeof failure->reason, request.hint, error,
				    "cannot bring interface %s up", device->inside);
	return 0;
}

static int move_one(struct device *device, pid_t pid, struct failure *failure)
{
	char path[32];
	snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
	cleanup_fd int inside = open(path, O_RDONLY | O_CLOEXEC), outside = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	device->index = if_nametoindex(device->name);
	device->count = 0;
	if (device->index == 0)
		return fail_at(failure, "linux.netDevices: interface", device->name);
	if (inside < 0 || outside < 0)
		return fail_at(failure, "open", path);
	if (read_addresses(device, failure) < 0 || move(device, pid, failure) < 0)
		return -1;
	if (setns(inside, CLONE_NEWNET) < 0)
		return fail_at(failure, "join", path);
	int result = set_up(device, failure);
	if (setns(outside, CLONE_NEWNET) < 0)
		return fail_at(failure, "return from", path);
	return result;
}

int netdevices_move(const struct json *devices, pid_t pid, struct failure *failure)
{
	static struct device device;
	for (const struct json *item = devices->child; item; item = item->next) {
		device.name = item->child->string;
		device.inside = item->child->next->string;
		if (move_one(&device, pid, failure) < 0)
			return -1;
	}
	return 0;
}
