// SPDX-License-Identifier: Apache-2.0
#include "event.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_NAME "events.log"
#define OLDER_NAME "events.log.1"
#define MAX_FILE (1 << 20) // bytes; what is older is in one more file

static int open_file(const struct supervisor *supervisor)
{
	struct stat status;
	if (fstatat(supervisor->pod_dir, FILE_NAME, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_size > MAX_FILE)
		renameat(supervisor->pod_dir, FILE_NAME, supervisor->pod_dir, OLDER_NAME);
	return openat(supervisor->pod_dir, FILE_NAME, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
}

void event_add(const struct supervisor *supervisor, const struct container *container, const char *type,
	       const char *reason, const char *message)
{
	char now[TIME_TEXT];
	struct buffer line = { 0 };
	cleanup_fd int fd = open_file(supervisor);
	time_text(time(NULL), now);
	buffer_print(&line, "{\"time\":\"%s\",\"type\":\"%s\",\"reason\":\"%s\",\"container\":\"%s\",\"message\":", now, type,
		     reason, container ? container->name : "");
	json_add_string(&line, message);
	buffer_print(&line, "}\n");
	if (fd >= 0 && !line.failed)
		(void)!write(fd, line.data, line.length);
	buffer_free(&line);
}

void event_end(const struct supervisor *supervisor, const struct container *container)
{
	char message[600];
	const struct termination *end = &container->last;
	if (strcmp(end->reason, "StartError") == 0) {
		snprintf(message, sizeof message, "Error: %.512s", end->message);
		event_add(supervisor, container, "Warning", "Failed", message);
		return;
	}
	snprintf(message, sizeof message, "Container ended with exit code %d", end->exit_code);
	event_add(supervisor, container, end->exit_code == 0 ? "Normal" : "Warning", end->reason, message);
}

void event_back_off(const struct supervisor *supervisor, const struct container *container)
{
	char message[1024];
	const struct sandbox_plan *plan = &supervisor->plan;
	snprintf(message, sizeof message, "Back-off restarting failed container %s in pod %s_%s(%s)", container->name,
		 plan->name, plan->namespace, plan->uid);
	event_add(supervisor, container, "Warning", "BackOff", message);
}
