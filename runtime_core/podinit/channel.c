// SPDX-License-Identifier: Apache-2.0
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int channel_pair(int pair[2], struct failure *failure)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fail_at(failure, "make", "a socket pair");
	return 0;
}

int channel_send(int channel, enum message message, const char *text)
{
	char packet[1 + sizeof((struct failure *)0)->reason];
	int length = snprintf(packet, sizeof packet, "%c%s", (char)message, text);
	return send(channel, packet, (size_t)length, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

enum message channel_receive(int channel, struct failure *text)
{
	char packet[1 + sizeof text->reason];
	ssize_t got;
	do {
		got = recv(channel, packet, sizeof packet - 1, 0);
	} while (got < 0 && errno == EINTR);
	text->reason[0] = '\0';
	if (got <= 0)
		return MESSAGE_END; // also a connection reset
	packet[got] = '\0';
	snprintf(text->reason, sizeof text->reason, "%s", packet + 1);
	if (packet[0] && strchr("GMLCRE", packet[0]))
		return (enum message)packet[0];
	fail(text, "the first process sent what is no message");
	return MESSAGE_FAILED;
}

int channel_ask(int channel, enum message message, const char *text, struct failure *failure)
{
	if (channel_send(channel, message, text) < 0 || channel_receive(channel, failure) != MESSAGE_GO)
		return fail(failure, "the process that starts the container ended");
	return 0;
}
