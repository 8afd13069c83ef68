// SPDX-License-Identifier: Apache-2.0
// A container's log in the CRI format (kubelet's pkg/kubelet/kuberuntime/logs): "TIME stdout|stderr F|P text".
#ifndef PODINIT_LOG_H
#define PODINIT_LOG_H

#include <sys/types.h>

#include "util.h"

// One start's file. What cannot be written (a full disk) is dropped, in whole lines: the container never waits for it.
// Its file is at most 10 MiB long: older lines are in "<number>.log.1", and what is older still is gone.
struct log {
	int fd, dir;
	unsigned number;
	off_t size;
};

// One stream into it. A line without its end waits here, until it is 16 KiB long or the container is gone.
struct log_stream {
	const char *name;
	char *pending;
	size_t length;
};

int log_open(struct log *log, int base, unsigned number, struct failure *failure); // logs/<number>.log, made if missing
void log_write(struct log *log, struct log_stream *stream, const char *data, size_t length);
void log_end(struct log *log, struct log_stream *stream); // writes what is pending
void log_close(struct log *log);
int log_highest(int base); // the highest number in logs/, or -1

#endif
