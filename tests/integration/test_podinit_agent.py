# SPDX-License-Identifier: Apache-2.0
"""agent.sock as a client sees it: the protocol, its errors, and clients that mean no good."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podinit_harness import Pod, fresh_pod


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    with fresh_pod(tmp_path) as fresh:
        yield fresh


@pytest.fixture
def running(pod: Pod) -> Pod:
    pod.container("app", ["sleep", "1000"])
    assert pod.start() == {"status": "ok"}
    return pod


def test_status_is_state_json(running: Pod) -> None:
    assert running.ask("status") == {"id": 7, "status": "ok", "pod": running.state()}
    entry = running.status("app")
    assert len(entry["containerID"]) == 64
    assert running.state()["supervisorPid"] == running.pid


def test_only_root_may_connect(running: Pod) -> None:
    assert stat.S_IMODE(os.stat(running.run_dir / "agent.sock").st_mode) == 0o600


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        ({"action": "fly"}, "InvalidArgument", "unknown action fly"),
        ({"action": "status", "extra": 1}, "InvalidArgument", "unknown field extra"),
        ({"action": 5}, "InvalidArgument", "field action must be a string that is not empty"),
        ({"action": "signal", "container": "none", "signal": 15}, "NotFound", "the pod has no container none"),
        ({"action": "signal", "container": "app", "signal": 65}, "InvalidArgument", "field signal must be an integer"),
        ({"action": "signal", "container": "app"}, "InvalidArgument", "field signal must be an integer from 1 to 64"),
        ({"action": "update", "containers": []}, "InvalidArgument", "field containers is empty"),
        ({"action": "update", "containers": ["app", "none"]}, "NotFound", "the pod has no container none"),
        ({"action": "update", "containers": [1]}, "InvalidArgument", "field containers must be a list of strings"),
        ({"action": "stop", "grace": -1}, "InvalidArgument", "field grace must be an integer from 0 to 86400"),
    ],
)
def test_what_cannot_be_done_is_answered(running: Pod, request_: dict[str, Any], code: str, message: str) -> None:
    answer = running.ask(**request_)
    assert (answer["status"], answer["code"]) == ("error", code)
    assert message in answer["message"]
    assert "running" in running.status("app")["state"]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"garbage",
        b"\0\0\0",
        b"\xff\xfe",
        b'{"id":1,"action":"status"',
        b'{"id":1,"action":"status"}{}',
        b'{"id":1,"id":2,"action":"status"}',
        b'{"id":1.5,"action":"status"}',
        b'{"id":1e3,"action":"status"}',
        b'{"id":01,"action":"status"}',
        b'{"id":-,"action":"status"}',
        b'{"id":99999999999999999999,"action":"status"}',
        b'{"id":18446744073709551615,"action":"status"}',
        b'{"action":"status"}',
        b'{"id":"x","action":"status"}',
        b"[" * 100_000,
        b'{"id":1,"action":"' + b"\\u0000" + b'"}',
        b'{"id":1,"action":"\\ud800"}',
        b'{"id":1,"action":"\\udc00\\ud800"}',
        b'{"id":1,"action":"\\x"}',
        b'{"id":1,"action":"\\u12"}',
        b'{"id":1,"action":"\xc0\x80"}',
        b'{"id":1,"action":"\xed\xa0\x80"}',
        b'{"id":1,"action":"status',
        b'{"id":1,"action":"status\\',
        b"[1,]",
        b"{,}",
        b"nul",
        b"5",
        b"[" + b"1," * 400_000 + b"1]",
    ],
)
def test_garbage_is_refused_and_the_connection_goes_on(running: Pod, line: bytes) -> None:
    with running.agent() as agent:
        agent.send(line + b"\n")
        answer = agent.receive()
        assert (answer["id"], answer["status"], answer["code"]) == (None, "error", "InvalidArgument")
        assert agent.ask("hello")["status"] == "ok"


def test_a_line_over_1_mib_is_refused_and_ends_the_connection(running: Pod) -> None:
    with running.agent() as agent:
        agent.send(b"x" * ((1 << 20) + 1))
        assert agent.receive()["message"] == "a line is longer than 1 MiB"
        with pytest.raises((EOFError, ConnectionError)):
            agent.ask("hello")
    assert running.ask("hello")["status"] == "ok"


def test_a_line_of_almost_1_mib_is_fine(running: Pod) -> None:
    with running.agent() as agent:
        agent.send(b'{"id":7,"action":"hello"' + b" " * ((1 << 20) - 100) + b"}\n")
        assert agent.receive() == {"id": 7, "status": "ok", "version": 1}


def test_requests_are_answered_in_order_even_behind_an_update(running: Pod) -> None:
    requests: list[dict[str, object]] = [
        {"id": 1, "action": "hello"},
        {"id": 2, "action": "update", "containers": ["app"], "grace": 0},
        {"id": 3, "action": "status"},
    ]
    with running.agent() as agent:
        agent.send(b"".join(json.dumps(request).encode() + b"\n" for request in requests))
        answers = [agent.receive() for _ in requests]
    assert [answer["id"] for answer in answers] == [1, 2, 3]
    assert answers[2]["pod"]["containers"][0]["restartCount"] == 1


def test_slow_clients_block_nobody(running: Pod) -> None:
    greedy, slow, idle = (running.agent() for _ in range(3))
    slow.send(b'{"id":1,')
    greedy.socket.settimeout(1)
    with pytest.raises(TimeoutError):  # it never reads: the supervisor stops reading from it
        greedy.send(b'{"id":1,"action":"status"}\n' * 1_000_000)
    assert running.ask("hello")["status"] == "ok"
    slow.send(b'"action":"hello"}\n')
    assert slow.receive()["id"] == 1
    for agent in (greedy, slow, idle):
        agent.socket.close()
    assert running.stop() == 0


def test_a_crowd_is_turned_away_but_does_no_harm(running: Pod) -> None:
    crowd = [running.agent() for _ in range(40)]
    assert crowd[0].ask("hello")["status"] == "ok"
    for agent in crowd:
        agent.socket.close()
    assert running.ask("hello")["status"] == "ok"


def test_everyone_who_waits_for_the_stop_is_answered(running: Pod) -> None:
    with running.agent() as first, running.agent() as second:
        first.send(b'{"id":1,"action":"stop","grace":1000}\n')
        second.send(b'{"id":2,"action":"stop","grace":0}\n')
        assert [agent.receive() for agent in (first, second)] == [
            {"id": 1, "status": "ok"},
            {"id": 2, "status": "ok"},
        ]
    assert running.wait() == 0


def test_names_and_texts_survive_the_reader(pod: Pod) -> None:
    texts = ['quote " \\ / \b \t', "grün €", "𝄞 🐋"]  # escaped in the plan as surrogates
    pod.run("/bin/sh", "-c", 'for text; do echo "$text"; done', "sh", *texts)
    assert [text for _, _, text in pod.log_lines("app")] == texts
