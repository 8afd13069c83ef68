# SPDX-License-Identifier: Apache-2.0
"""What the launcher ``podwright-oci`` runs, and the compiled modules that it needs in one file.

To find fifty modules one by one took a tenth of the time of a command. The file stands beside Python's own compiled
modules, in ``__pycache__``, and is as good as those: a module whose source has another time or size than it was
compiled from is loaded in the usual way, and the file written anew. Who cannot write it runs without.
"""

from __future__ import annotations

import _frozen_importlib
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Entry = tuple[str, int, int, bool, bytes]
    """A source file, its time and size, whether it is a package, and its code."""

_PACKAGE = "podwright"
_BEFORE = ("podwright", "podwright.cli", __name__)  # loaded before this can help


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


class Modules:
    """A finder and loader of modules. ``install`` it first, ``save`` at the end of a command that went well."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._entries: dict[str, Entry] = {}
        self._stale = False
        try:
            with open(path, "rb") as file:
                version, entries = marshal.loads(file.read())  # noqa: S302 - as trustworthy as __pycache__ itself
            if version == sys.version:
                self._entries = entries
        except (OSError, ValueError, EOFError, TypeError):
            pass  # there is none yet

    def install(self) -> None:
        """Look here first from now on."""
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Return where a module comes from, None when this does not know or trust it."""
        entry = self._entries.get(name)
        if entry is None:
            self._stale |= name.startswith(_PACKAGE)
            return None
        source, time, size, package, _ = entry
        try:
            status = os.stat(source)
        except OSError:
            status = None
        if status is None or (status.st_mtime_ns, status.st_size) != (time, size):
            self._stale = True
            return None
        loader: Any = self  # it has what the import system calls, and no base class that would have to be loaded
        spec: ModuleSpec = _frozen_importlib.ModuleSpec(name, loader, origin=source, is_package=package)
        spec.has_location = True
        if package:
            spec.submodule_search_locations = [os.path.dirname(source)]
        return spec

    def create_module(self, _spec: ModuleSpec) -> None:
        """Leave it to the import system."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's code."""
        exec(marshal.loads(self._entries[module.__name__][4]), module.__dict__)  # noqa: S102, S302 - that is importing

    def save(self) -> None:
        """Write the file anew, if a module was missing in it or had changed."""
        if not self._stale:
            return
        found = {name: entry for name in list(sys.modules) if (entry := self._entry(name))}
        temporary = f"{self._path}.{os.getpid()}"
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                with open(fd, "wb") as file:
                    file.write(marshal.dumps((sys.version, self._entries | found)))
                os.rename(temporary, self._path)
            except OSError:
                os.unlink(temporary)
        except OSError:
            pass

    def _entry(self, name: str) -> Entry | None:
        spec = getattr(sys.modules[name], "__spec__", None)
        if not name.startswith(_PACKAGE) or spec is None or spec.loader is self or name in _BEFORE:
            return None
        status = os.stat(spec.origin)
        with open(spec.origin, "rb") as file:
            # without the docstrings, which nobody reads here, and half as long
            code = compile(file.read(), spec.origin, "exec", dont_inherit=True, optimize=2)
        package = spec.submodule_search_locations is not None
        return spec.origin, status.st_mtime_ns, status.st_size, package, marshal.dumps(code)
