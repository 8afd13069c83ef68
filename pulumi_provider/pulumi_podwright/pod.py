# SPDX-License-Identifier: Apache-2.0
"""The resource that a Pulumi program declares."""

import os
from collections.abc import Mapping
from typing import Any

import pulumi

from pulumi_podwright.kept import Kept
from pulumi_podwright.provider import PodProvider


class Pod(Kept, module="podwright", name="Pod"):
    """A Kubernetes Pod that runs on this host, kept as its manifest says.

    An edit changes what it must: one container restarts in place, the whole pod only for what all containers share.
    Another ``metadata.name`` or ``metadata.namespace`` is another pod: the old one is removed first. A pod of that name
    that runs already (a playbook made it, or an interrupted ``up``) is adopted, not made twice.
    """

    def __init__(
        self,
        name: str,
        manifest: pulumi.Input[Mapping[str, Any]] | str | os.PathLike[str],
        *,
        wait: bool = True,
        wait_timeout: int = 120,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the pod ``name`` (a name of the stack; the pod's own is in the manifest).

        :param manifest: The v1.Pod: a dictionary, in which any value may be an Output or a secret, or the path of a
            YAML or JSON file, relative to the project's directory. It is read now, so an edit of the file is a change.
        :param wait: Whether ``up`` waits until the pod is ready or has done its work.
        :param wait_timeout: How long to wait, in seconds.
        :param opts: Pulumi's resource options.
        :raises pulumi.RunError: when the file cannot be read, or is not one document.
        """
        if isinstance(manifest, str | os.PathLike):
            manifest = _manifest_file(os.fspath(manifest))
        props = {"manifest": manifest, "wait": wait, "waitTimeout": wait_timeout}
        super().__init__(PodProvider(), name, props, opts)

    @property
    def manifest(self) -> pulumi.Output[str]:
        """The manifest with every default filled in, as canonical JSON."""
        return self._output("manifest")


def _manifest_file(path: str) -> str:
    """Return the one document in a file as JSON: a string, so that numbers reach the provider as they were written."""
    from podwright.errors import PodwrightError
    from podwright.files import canonical_json
    from podwright.manifest.load import load_documents

    try:
        with open(path, encoding="utf-8") as file:
            documents = load_documents(file.read())
    except (OSError, UnicodeDecodeError, PodwrightError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise pulumi.RunError(f"the manifest {path} cannot be read: {reason}") from error
    if len(documents) != 1:
        raise pulumi.RunError(f"{path} holds {len(documents)} documents, but a Pod resource takes a file with one")
    return canonical_json(documents[0]).decode()
