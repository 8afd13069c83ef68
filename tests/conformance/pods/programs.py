#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Provide images of servers that everybody runs, for the Pods of examples/pods; the last line printed is their layout.

The programs are Debian's, the images' names, entrypoints and variables those of the images that people use: a Pod for
those runs with these, unchanged. debootstrap and umoci make them, once for each state of this file, in the cache that
tools/recipes.py names: 150 MB as gzip, three minutes. All have the same layers.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

TOOLS = Path(__file__).resolve().parents[3] / "tools"
sys.path.insert(0, str(TOOLS))
from recipes import cached, log  # noqa: E402 - tools/ is no package

PACKAGES = (
    "busybox",
    "docker-registry",
    "haproxy",
    "mariadb-client-core",
    "mariadb-server-core",
    "mosquitto",
    "mosquitto-clients",
    "nginx-light",
    "perl",
    "prometheus-node-exporter",
    "redis-server",
)


class Program(NamedTuple):
    """One image: its tag in the layout, the name that Pods use, and its configuration."""

    tag: str
    image: str
    entrypoint: tuple[str, ...]
    arguments: tuple[str, ...]
    user: str = ""
    stop_signal: str = "SIGTERM"
    folder: str = "/"


IMAGES = (
    Program("busybox", "docker.io/library/busybox:1.36", (), ("sh",)),
    Program(
        "haproxy", "docker.io/library/haproxy:2.6", (), ("haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"), "99"
    ),
    Program("mariadb", "docker.io/library/mariadb:10.11", ("docker-entrypoint.sh",), ("mariadbd",)),
    Program(
        "mosquitto",
        "docker.io/library/eclipse-mosquitto:2",
        (),
        ("mosquitto", "-c", "/mosquitto/config/mosquitto.conf"),
    ),
    Program("nginx", "docker.io/library/nginx:1.22", (), ("nginx", "-g", "daemon off;"), stop_signal="SIGQUIT"),
    Program("node-exporter", "quay.io/prometheus/node-exporter:v1.5.0", ("prometheus-node-exporter",), (), "65534"),
    Program("perl", "docker.io/library/perl:5.36", (), ("perl", "-de0"), folder="/usr/src/app"),
    Program("redis", "docker.io/library/redis:7", (), ("redis-server",), folder="/data"),
    Program(
        "registry", "docker.io/library/registry:2", ("docker-registry",), ("serve", "/etc/docker/registry/config.yml")
    ),
)

MARIADB = """#!/bin/sh
# The first start makes the database, with the user, password and database that the variables name.
set -eu
data=/var/lib/mysql
secret() {
	eval "path=\\${$1_FILE:-}; value=\\${$1:-}"
	[ -z "$path" ] || value=$(cat "$path")
	printf %s "$value"
}
if [ ! -d $data/mysql ]; then
	chown mysql: $data
	mariadb-install-db --user=mysql --datadir=$data --skip-test-db >/dev/null
	mariadbd --user=mysql --datadir=$data --bootstrap <<-SQL
	FLUSH PRIVILEGES;
	ALTER USER root@localhost IDENTIFIED BY '$(secret MARIADB_ROOT_PASSWORD)';
	CREATE DATABASE \\`$MARIADB_DATABASE\\`;
	CREATE USER '$MARIADB_USER'@'%' IDENTIFIED BY '$(secret MARIADB_PASSWORD)';
	GRANT ALL ON \\`$MARIADB_DATABASE\\`.* TO '$MARIADB_USER'@'%';
	SQL
fi
exec "$@" --user=mysql --datadir=$data --bind-address=0.0.0.0
"""

SITE = """server {
	listen 80;
	root /usr/share/nginx/html;
}
"""

REGISTRY = """version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/registry}}
http: {addr: ":5000"}
"""


def programs() -> Path:
    """Return the directory of the OCI layout that holds IMAGES by their tags."""
    return cached("programs", [Path(__file__).resolve()], build) / "layout"


def build(work: Path, result: Path) -> None:
    """Make ``result/layout``; the root file system is put together below ``work``."""
    layout, bundle = result / "layout", work / "bundle"
    image = f"{layout}:base"
    root = bundle / "rootfs"
    _run("umoci", "init", "--layout", layout)
    _run("umoci", "new", "--image", image)
    _run("umoci", "unpack", "--image", image, bundle)
    for change in (install, arrange):
        log(f"programs: {change.__name__}")
        change(root)
        _run("umoci", "repack", "--refresh-bundle", "--image", image, bundle)
    for program in IMAGES:
        _run("umoci", "config", "--image", image, "--tag", program.tag, "--no-history", *_options(program))
    _run("umoci", "gc", "--layout", layout)


def _options(program: Program) -> list[str]:
    options = [
        *("--config.user", program.user or "0", "--config.workingdir", program.folder),
        *("--config.stopsignal", program.stop_signal),
        *("--config.env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ]
    for word in program.entrypoint:
        options += ["--config.entrypoint", word]
    for word in program.arguments:
        options += ["--config.cmd", word]
    return options


def install(root: Path) -> None:
    """Debian's smallest variant, and the programs: none of which may start while it is installed."""
    _run(*_alone(), "debootstrap", "--variant=minbase", "bookworm", root)
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    script = f"apt-get -q update && apt-get -q -y --no-install-recommends install {' '.join(PACKAGES)}"
    _run(*_alone(), "chroot", root, "sh", "-ec", script)
    policy.unlink()
    (root / "etc/resolv.conf").unlink()
    for name in ("var/cache/apt", "var/lib/apt/lists", "var/log/apt", "usr/share/doc", "usr/share/man"):
        shutil.rmtree(root / name, ignore_errors=True)


def arrange(root: Path) -> None:
    """Put things where the images that people use have them."""
    _run("chroot", root, "useradd", "--system", "--user-group", "mysql")
    _run("chroot", root, "sh", "-ec", "mkdir -p /run/mysqld /var/lib/mysql && chown mysql: /run/mysqld /var/lib/mysql")
    _script(root / "usr/local/bin/docker-entrypoint.sh", MARIADB)
    (root / "usr/local/bin/perl").symlink_to("/usr/bin/perl")
    for name in ("usr/src/app", "data", "mosquitto/config", "var/lib/registry", "usr/share/nginx/html"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "etc/nginx/sites-enabled/default").unlink()
    (root / "etc/nginx/conf.d/default.conf").write_text(SITE)
    (root / "usr/share/nginx/html/index.html").write_text("Welcome to nginx!\n")
    (root / "etc/docker/registry/config.yml").write_text(REGISTRY)
    for name, stream in (("access", "stdout"), ("error", "stderr")):
        (root / f"var/log/nginx/{name}.log").unlink(missing_ok=True)
        (root / f"var/log/nginx/{name}.log").symlink_to(f"/dev/{stream}")


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _alone() -> list[str]:
    """Return the words before a command whose mounts and processes end with it."""
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]


def _run(*command: str | Path) -> None:
    """Run a command; what it says goes to the person who waits."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment, check=True)


if __name__ == "__main__":
    try:
        print(programs(), flush=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"programs: {error}")
