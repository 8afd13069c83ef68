# SPDX-License-Identifier: Apache-2.0
import threading

import pytest

from podwright.images import parallel
from podwright.images.parallel import Stopped, Team


def test_all_tasks_are_done_and_not_more_at_a_time_than_told():
    running, most, done = [], [], []
    lock = threading.Lock()

    def task(number):
        with lock:
            running.append(number)
            most.append(len(running))
        with lock:
            running.remove(number)
            done.append(number)

    Team().run([lambda number=number: task(number) for number in range(20)], 3)
    assert sorted(done) == list(range(20))
    assert max(most) <= 3


def test_no_task_is_no_work():
    Team().run([], 3)


def test_the_first_failure_stops_who_waits_and_who_works_and_keeps_the_rest_from_beginning():
    team, ended, begun = Team(), [], []

    def until_stopped(step):
        try:
            while True:
                step()
        except Stopped:
            ended.append(step)
            raise

    def fail():
        raise ValueError("the reason")

    tasks = [lambda: until_stopped(team.pause), lambda: until_stopped(team.check), fail, lambda: begun.append(1)]
    with pytest.raises(ValueError, match="the reason"):
        team.run(tasks, 3)
    assert len(ended) == 2
    assert begun == []


def test_who_does_not_listen_is_not_waited_for_for_long(monkeypatch):
    monkeypatch.setattr(parallel, "GRACE", 0.05)
    release = threading.Event()

    def fail():
        raise ValueError("the reason")

    with pytest.raises(ValueError, match="the reason"):
        Team().run([release.wait, fail], 2)
    release.set()
