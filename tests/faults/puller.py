# SPDX-License-Identifier: Apache-2.0
"""Pull one image in a process of its own: ``python puller.py ROOT REFERENCE [AUTH]``, as pulls.py starts it.

Says "ready" once everything is imported, waits for a line (so that several begin at once), pulls, and prints as JSON
how that ended and how much memory it took. Only errors that Podwright raises on purpose count as an end.
"""

import json
import resource
import sys
from pathlib import Path

import podwright
import podwright.images.distribution.registry  # what a pull imports lazily
from podwright.errors import PodwrightError
from podwright.images.store import ImageStore

PODINIT = str(Path(podwright.__file__).parent / "_bin" / "podinit")


def main() -> None:
    root, reference, auth = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    print("ready", flush=True)
    sys.stdin.readline()
    store = ImageStore(root, podinit=PODINIT)
    try:
        image = store.pull(reference, **({"auth": _auth(auth)} if auth else {}))
        ended = {"digest": image.digest, "diff_ids": image.diff_ids, "layers": store.layer_dirs(image)}
    except PodwrightError as error:
        ended = {"error": str(error), "kind": type(error).__name__}
    print(json.dumps(ended | {"peak": max(_peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) >> 10}))


def _auth(given: dict[str, str]) -> object:
    from podwright.images.distribution.credentials import Auth

    return Auth.parse(given)


def _peak() -> int:
    """In KiB; ru_maxrss would count what the parent had when it made this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


main()
