// SPDX-License-Identifier: Apache-2.0
#include "affinity.h"

#include <sched.h>
#include <string.h>

int affinity_set(const char *list, struct failure *failure)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	if (!*list)
		return 0;
	for (const char *rest = list; *rest;) {
		char *end;
		unsigned long first = strtoul(rest, &end, 10), last = first;
		if (end != rest && *end == '-')
			last = strtoul(rest = end + 1, &end, 10);
		if (end == rest || (*end && *end != ',') || last < first || last >= CPU_SETSIZE)
			return fail(failure, "%.100s is no list of processors", list);
		for (; first <= last; first++)
			CPU_SET(first, &set);
		rest = *end ? end + 1 : end;
	}
	return sched_setaffinity(0, sizeof set, &set) < 0 ? fail_at(failure, "run on processors", list) : 0;
}

void affinity_reset(void)
{
	cpu_set_t every;
	memset(&every, 0xff, sizeof every);
	sched_setaffinity(0, sizeof every, &every);
}
