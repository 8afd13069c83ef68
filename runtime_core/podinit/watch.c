// SPDX-License-Identifier: Apache-2.0
// The sources that the supervisor's loop watches.
#include "supervisor.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

int source_watch(struct supervisor *supervisor, struct source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };
	int result = epoll_ctl(supervisor->epoll, EPOLL_CTL_MOD, source->fd, &event);
	return result < 0 && errno == ENOENT ? epoll_ctl(supervisor->epoll, EPOLL_CTL_ADD, source->fd, &event) : result;
}

void source_close(struct supervisor *supervisor, struct source *source)
{
	if (source->fd < 0)
		return;
	// A child between clone and exec holds a copy of the fd, so closing ours alone would not end the watch.
	epoll_ctl(supervisor->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	close(source->fd);
	source->fd = -1;
}
