// SPDX-License-Identifier: Apache-2.0
// A container's standard output and error: FIFOs in the pod's run directory, whose text goes to its log.
#ifndef PODINIT_OUTPUT_H
#define PODINIT_OUTPUT_H

#include "supervisor.h"

int output_open(struct supervisor *supervisor, struct container *container, struct stream *stream,
		struct failure *failure);
int output_open_for_child(struct supervisor *supervisor, struct container *container, struct stream *stream);
void output_drain(struct stream *stream); // what is in the FIFO, and the end of its last line
void output_close(struct supervisor *supervisor, struct container *container, struct stream *stream); // and unlink

#endif
