// SPDX-License-Identifier: Apache-2.0
// Requests to rtnetlink(7), one message and one answer each. No state, no memory, and no descriptor stays open.
#ifndef PODINIT_RTNETLINK_H
#define PODINIT_RTNETLINK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REQUEST_MAX = 512, HINT_MAX = 128 };

// One netlink message in the making. An attribute that does not fit marks the request; request_exchange() then refuses it.
struct request {
	union {
		struct nlmsghdr header;
		char bytes[REQUEST_MAX];
	};
	bool overflow;
	char hint[HINT_MAX]; // the kernel's own words about a refusal (extended ack), or ""
};

void request_init(struct request *r, uint16_t type, uint16_t flags, const void *payload, size_t len);
size_t request_append(struct request *r, const void *data, size_t len); // its place
void request_put(struct request *r, uint16_t type, const void *data, size_t len);
void request_put_u32(struct request *r, uint16_t type, uint32_t value);
void request_put_string(struct request *r, uint16_t type, const char *text);
size_t request_nest(struct request *r, uint16_t type); // its place, for request_nest_end
void request_nest_end(struct request *r, size_t at);

// Sends it from the caller's network namespace (a socket stays in the one it was made in). Returns 0 or an errno.
int request_exchange(struct request *r);

// One line in err ("cannot add veth pw12 to bridge podwright0: No such device"); returns -1.
__attribute__((format(printf, 5, 6))) int request_fail(char *err, size_t n, const char *hint, int error,
							const char *format, ...);

#endif
