# SPDX-License-Identifier: Apache-2.0
"""Pulumi's mocks as the engine that a program talks to."""

from pulumi.runtime import mocks


class Engine(mocks.Mocks):
    """Answers with what a running pod has, and keeps what was asked for."""

    def __init__(self) -> None:
        self.asked: mocks.MockResourceArgs | None = None
        self.answer = {"uid": "u-1", "phase": "Running", "podIP": "10.77.0.5"}

    def new_resource(self, args):
        self.asked = args
        return "default/web", {**args.inputs, **self.answer}

    def call(self, args):
        return {}
