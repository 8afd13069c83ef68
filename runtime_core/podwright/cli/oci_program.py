# SPDX-License-Identifier: Apache-2.0
"""What the launcher ``podwright-oci`` runs."""

from __future__ import annotations

import os
import sys

from podwright.cli.modules import Modules


def program() -> None:
    """Be the command. It ends at once: to take the interpreter apart, module by module, costs milliseconds."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__pycache__")
    modules = Modules(os.path.join(folder, f"podwright-oci.{sys.implementation.cache_tag}.modules"))
    modules.install()
    from podwright.cli.oci import main

    code = main(sys.argv[1:])
    if code == 0:
        modules.save()
    os._exit(code)
