// SPDX-License-Identifier: Apache-2.0
#include "fill.h"

#include <fcntl.h>
#include <poll.h>

#define FILL_TIMEOUT_MS 60000

static bool has_content(const struct sandbox_plan *plan)
{
	for (const struct json *item = plan->memory_volumes->child; item; item = item->next) {
		const struct json *content = json_get(item, "content");
		if (content && content->type == JSON_TRUE)
			return true;
	}
	return false;
}

int fill_await(struct supervisor *supervisor, struct failure *failure)
{
	char word;
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	if (!has_content(&supervisor->plan))
		return 0;
	if (supervisor->ready < 0)
		return fail(failure, "memoryVolumes: nobody is there to fill them");
	if (dprintf(supervisor->ready, "{\"status\":\"mounted\",\"pid\":%d}\n", getpid()) < 0)
		return fail_at(failure, "write", "that the volumes are mounted");
	if (poll(&input, 1, FILL_TIMEOUT_MS) != 1 || read(STDIN_FILENO, &word, 1) != 1)
		return fail(failure, "memoryVolumes: whoever started the pod has not filled them");
	cleanup_fd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return null < 0 || dup2(null, STDIN_FILENO) < 0 ? fail_at(failure, "open", "/dev/null") : 0;
}
