# SPDX-License-Identifier: Apache-2.0
"""What the launcher ``podwright-oci`` runs: the modules of a verb from one file, then the command.

Each module that is found, read and loaded for itself costs a command 0.15 ms, and ``run`` has 45 of them. So the
compiled modules that each command of a verb needs stand in one file, beside Python's own in ``__pycache__``, and are
loaded at once in the order in which they were complete the first time: 6 ms less CPU. Others are imported as usual.

The file is as good as ``__pycache__``: when any source has another time or size than it was compiled from, nothing of
the file is used, and it is written anew after the command. Who cannot write it runs without.
"""

# No `from __future__`: that is a module too, and none is cheap before the file is loaded.
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType

    Entry = tuple[str, str, int, int, str, CodeType]
    """A module's name, its source with time and size, its directory if it is a package, and its code."""

VERBS = {
    "create": "oci_lifecycle",
    "start": "oci_lifecycle",
    "run": "oci_run",
    "state": "oci_lifecycle",
    "kill": "oci_lifecycle",
    "delete": "oci_lifecycle",
    "exec": "oci_exec",
    "pause": "oci_resources",
    "resume": "oci_resources",
    "update": "oci_resources",
    "events": "oci_resources",
    "list": "oci_inspect",
    "ps": "oci_inspect",
    "features": "oci_inspect",
    "spec": "oci_inspect",
}
"""The verbs, and the module of each in podwright.cli."""

_STATE = ("containers.lifecycle",)
_GROUPS = ("cgroups.container", "cgroups.v1", "cgroups.v2")
_CREATION = ("containers.creation", "cgroups.mounts", "cgroups.place", "cgroups.devices", "cgroups.resources")
_NEEDED = {
    "create": _STATE + _GROUPS + _CREATION,
    "start": _STATE,
    "run": (*_STATE, *_GROUPS, *_CREATION, "cli.foreground"),
    "state": _STATE,
    "kill": _STATE,
    "delete": _STATE + _GROUPS,
    "exec": (*_STATE, "containers.execution"),
}
"""What functions import in each command of a verb that engines call for each container."""

_KEPT = ("podwright", "__future__")
_LAUNCHERS = ("podwright", "podwright.cli", "podwright.cli.oci_program")


class Modules:
    """A file of compiled modules. ``load`` it first, ``save`` it at the end of a command that went well.

    It holds what is imported when ``complete`` is called, and nothing that a single command needs besides.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._entries: dict[str, Entry] = {}
        self._names: list[str] = []
        # a program that has more of Podwright loaded would write a file of its own
        self._launched = all(name in _LAUNCHERS for name in sys.modules if name.partition(".")[0] == "podwright")

    def load(self) -> None:
        """Have all modules of the file imported, if it is there and none of them has changed."""
        if not self._launched:
            return
        try:
            with open(self._path, "rb") as file:
                version, entries = marshal.loads(file.read())  # noqa: S302 - as trustworthy as __pycache__ itself
            if version != sys.version:
                return
            for _, source, time, size, *_ in entries:
                status = os.stat(source)
                if (status.st_mtime_ns, status.st_size) != (time, size):
                    return
        except (OSError, ValueError, EOFError, TypeError):
            return  # there is none yet
        for entry in entries:
            self._entries[entry[0]] = entry
            if entry[0] not in sys.modules:
                _import(entry)

    def complete(self, names: "Iterable[str]") -> None:
        """Import these modules, if the file has not done it."""
        for name in names:
            __import__(f"podwright.{name}")
        self._names = [name for name in sys.modules if name.partition(".")[0] in _KEPT]

    def save(self) -> None:
        """Write the file anew, if it is not what was complete."""
        if not self._launched or set(self._names) == set(self._entries):
            return
        entries = [self._entries.get(name) or _entry(name) for name in self._names]
        temporary = f"{self._path}.{os.getpid()}"
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                with open(fd, "wb") as file:
                    file.write(marshal.dumps((sys.version, entries)))
                os.rename(temporary, self._path)
            except OSError:
                os.unlink(temporary)
        except OSError:
            pass


def _import(entry: "Entry") -> None:
    name, source, _, _, folder, code = entry
    parent, _, last = name.rpartition(".")
    module = type(sys)(name)
    module.__file__ = source
    module.__package__ = name if folder else parent
    if folder:
        module.__path__ = [folder]
    sys.modules[name] = module
    exec(code, module.__dict__)  # noqa: S102 - that is importing
    sys.modules[name] = sys.modules.pop(name)  # behind what it imported, as Python's own import has it
    if parent:
        setattr(sys.modules[parent], last, module)


def _entry(name: str) -> "Entry":
    import ast

    source = sys.modules[name].__file__
    assert source is not None  # noqa: S101 - all of them have a source
    status = os.stat(source)
    with open(source, "rb") as file:
        tree = ast.parse(file.read(), source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
    # without docstrings and annotations, which nobody reads here: the latter alone take 15 % of the time to load
    code = compile(tree, source, "exec", dont_inherit=True, optimize=2)
    folder = os.path.dirname(source) if hasattr(sys.modules[name], "__path__") else ""
    return name, source, status.st_mtime_ns, status.st_size, folder, code


def program() -> None:
    """Be the command. It ends at once: to take the interpreter apart, module by module, costs milliseconds."""
    verb = next((word for word in sys.argv if word in VERBS), "none")  # a wrong guess only loads other modules
    needed = ["cli.oci"] if verb == "none" else ["cli.oci", f"cli.{VERBS[verb]}", *_NEEDED.get(verb, ())]
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__pycache__")
    modules = Modules(os.path.join(folder, f"podwright-oci.{verb}.{sys.implementation.cache_tag}.modules"))
    modules.load()
    modules.complete(needed)
    from podwright.cli.oci import main

    code = main(sys.argv[1:])
    if code == 0:
        modules.save()
    os._exit(code)
