# SPDX-License-Identifier: Apache-2.0
"""What the launcher ``podwright-oci`` runs: the modules of a verb from one file, then the command.

Each module that is found, read and loaded for itself costs a command 0.15 ms, and ``run`` has 45 of them. So the
compiled modules of a verb stand in one file, beside Python's own in ``__pycache__``, and are loaded at once in the
order in which they were complete the first time: 4 ms less CPU, of 27.

The file is as good as ``__pycache__``: when any source has another time or size than it was compiled from, nothing of
the file is used, and it is written anew after the command. Who cannot write it runs without.
"""

# No `from __future__`: that is a module too, and none is cheap before the file is loaded.
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
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

_KEPT = ("podwright", "__future__")


class Modules:
    """A file of compiled modules. ``load`` it first, ``save`` it at the end of a command that went well."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._entries: dict[str, Entry] = {}
        self._before = set(sys.modules)

    def load(self) -> None:
        """Have all modules of the file imported, if it is there and none of them has changed."""
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
            if entry[0] not in self._before:
                self._entries[entry[0]] = entry
                _import(entry)

    def save(self) -> None:
        """Write the file anew, if modules were imported that are not in it, or that had changed."""
        new = [name for name in sys.modules if name.partition(".")[0] in _KEPT and name not in self._before]
        if len(new) == len(self._entries):
            return
        entries = [self._entries.get(name) or _entry(name) for name in new]
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
    # without docstrings and annotations, which nobody reads here, it loads in two thirds of the time
    code = compile(tree, source, "exec", dont_inherit=True, optimize=2)
    folder = os.path.dirname(source) if hasattr(sys.modules[name], "__path__") else ""
    return name, source, status.st_mtime_ns, status.st_size, folder, code


def program() -> None:
    """Be the command. It ends at once: to take the interpreter apart, module by module, costs milliseconds."""
    verb = next((word for word in sys.argv if word in VERBS), "none")  # a wrong guess only loads other modules
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__pycache__")
    modules = Modules(os.path.join(folder, f"podwright-oci.{verb}.{sys.implementation.cache_tag}.modules"))
    modules.load()
    from podwright.cli.oci import main

    code = main(sys.argv[1:])
    if code == 0:
        modules.save()
    os._exit(code)
