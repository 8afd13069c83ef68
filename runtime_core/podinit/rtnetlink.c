// SPDX-License-Identifier: Apache-2.0
#include "rtnetlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MAX = 4096 };

int request_fail(char *err, size_t n, const char *hint, int error, const char *format, ...)
{
	char what[160];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(err, n, "%s: %s%s%s%s", what, strerror(error), hint[0] ? " (" : "", hint, hint[0] ? ")" : "");
	return -1;
}

size_t request_append(struct request *r, const void *data, size_t len)
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

void request_init(struct request *r, uint16_t type, uint16_t flags, const void *payload, size_t len)
{
	memset(r, 0, sizeof(*r));
	r->header.nlmsg_len = NLMSG_HDRLEN;
	r->header.nlmsg_type = type;
	r->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	request_append(r, payload, len);
}

void request_put(struct request *r, uint16_t type, const void *data, size_t len)
{
	const struct rtattr attribute = {.rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = type};

	request_append(r, &attribute, sizeof(attribute));
	request_append(r, data, len);
}

void request_put_u32(struct request *r, uint16_t type, uint32_t value)
{
	request_put(r, type, &value, sizeof(value));
}

void request_put_string(struct request *r, uint16_t type, const char *text)
{
	size_t len = strlen(text) + 1;

	if (len > REQUEST_MAX)
		r->overflow = true;
	else
		request_put(r, type, text, len);
}

size_t request_nest(struct request *r, uint16_t type)
{
	const struct rtattr attribute = {.rta_len = 0, .rta_type = type};

	return request_append(r, &attribute, sizeof(attribute));
}

void request_nest_end(struct request *r, size_t at)
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

int request_exchange(struct request *r)
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
