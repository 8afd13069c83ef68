# SPDX-License-Identifier: Apache-2.0
"""Image users, read from layers that may lie."""

import os

import pytest

from podwright.errors import ImageError
from podwright.oci.layers import LayeredRoot
from podwright.oci.users import User, resolve_user

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
# a comment
+::::::
web:x:101:102:Web:/var/www:/sbin/nologin
homeless:x:300:300::
1000:x:0:0:a name of digits:/root:/bin/sh
big:x:4294967294:0::/:
"""
GROUP = """\
root:x:0:
adm:x:4:web,root
web:x:102:
logs:x:500:web
broken:x:zz:web
huge:x:99999999999999999999:web
"""


@pytest.fixture
def layers(tmp_path):
    """Make layer directories, topmost first, from {path: content}; a content of None makes a directory."""

    def make(*contents: dict[str, str | None]) -> list[str]:
        directories = []
        for position, files in enumerate(contents):
            directory = tmp_path / f"layer{position}"
            directory.mkdir()
            for name, text in files.items():
                path = directory / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if text is None:
                    path.mkdir(exist_ok=True)
                elif text.startswith("-> "):
                    path.symlink_to(text.removeprefix("-> "))
                else:
                    path.write_text(text)
            directories.append(str(directory))
        return directories

    return make


@pytest.fixture
def image(layers) -> list[str]:
    return layers({"bin/x": ""}, {"etc/passwd": PASSWD, "etc/group": GROUP})


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", User(0, 0, (0, 4), "/root")),
        ("0", User(0, 0, (0, 4), "/root")),
        ("root", User(0, 0, (0, 4), "/root")),
        ("web", User(101, 102, (102, 4, 500), "/var/www")),
        ("101", User(101, 102, (102, 4, 500), "/var/www")),
        ("web:root", User(101, 0, (0, 4, 500), "/var/www")),
        ("web:4", User(101, 4, (4, 500), "/var/www")),
        ("101:12345", User(101, 12345, (12345, 4, 500), "/var/www")),
        ("homeless", User(300, 300, (300,), "/")),
        ("1000", User(1000, 0, (0,), "/")),  # a number, whatever the image calls root
        ("2147483647:2147483647", User(2147483647, 2147483647, (2147483647,), "/")),
    ],
)
def test_users_resolve(image, user, expected):
    assert resolve_user(user, image, "example/app:1") == expected


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("nobody", "no user 'nobody'"),
        ("web:nogroup", "no group 'nogroup'"),
        ("1000:", "a user, or a user and a group"),
        (":0", "a user, or a user and a group"),
        ("a:b:c", "a user, or a user and a group"),
        ("-1", "no user '-1'"),
        ("0x0", "no user '0x0'"),
        ("2147483648", "end at 2147483647"),
        ("4294967296", "end at 2147483647"),
        ("9" * 5000, "end at 2147483647"),
        ("0:4294967296", "end at 2147483647"),
        ("٠", "no user"),  # a digit, but not one of ASCII's
        ("big", "end at 2147483647"),
        ("broken", "no user"),
    ],
)
def test_a_wrong_user_is_named_with_the_image(image, user, reason):
    with pytest.raises(ImageError, match=reason) as caught:
        resolve_user(user, image, "example/app:1")
    assert "example/app:1" in caught.value.message
    assert repr(user) in caught.value.message


def test_an_image_without_files_runs_numbers(layers):
    assert resolve_user("", layers({}), "i") == User(0, 0, (0,), "/")
    with pytest.raises(ImageError, match="no user 'web'"):
        resolve_user("web", [], "i")


def test_the_topmost_layer_wins(layers):
    image = layers({"etc/passwd": "web:x:7:7::/new:\n"}, {"etc/passwd": PASSWD, "etc/group": GROUP})
    assert resolve_user("web", image, "i") == User(7, 7, (7, 4, 500), "/new")


def test_absolute_links_stay_in_the_image(layers):
    """The link says /etc/passwd-real; the host has no say in where that is."""
    image = layers({"etc/passwd": "-> /usr/share/passwd"}, {"usr/share/passwd": "web:x:7:7::/home:\n"})
    assert resolve_user("web", image, "i").uid == 7


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../../../../../../../../etc/passwd", "/proc/self/root/etc/passwd"]
)
def test_links_never_lead_to_the_host(layers, target):
    """The host's own passwd has root with a home; an image that points there gets nothing."""
    image = layers({"etc/link": "", "etc/shadow": f"-> {target}"}, {"x": ""})
    with LayeredRoot(image) as root:
        assert root.read("/etc/shadow", 1 << 20) is None


def test_a_linked_directory_is_followed_in_the_merged_tree(layers):
    image = layers({"etc": "-> usr/etc"}, {"usr/etc/passwd": "web:x:7:7::/home:\n"})
    assert resolve_user("web", image, "i").uid == 7


def test_dot_dot_never_climbs_out(layers):
    image = layers({"etc/passwd": "-> ../../../../../usr/../b/./passwd"}, {"b/passwd": "web:x:7:7::/:\n", "usr/x": ""})
    assert resolve_user("web", image, "i").uid == 7


@pytest.mark.parametrize("files", [{"etc/passwd": "-> passwd"}, {"etc/passwd": "-> /etc/b", "etc/b": "-> passwd"}])
def test_a_circle_of_links_ends(layers, files):
    with pytest.raises(ImageError, match=r"/etc/passwd cannot be read: Too many levels"):
        resolve_user("web", layers(files), "i")


def test_a_directory_or_fifo_in_its_place_is_an_error(layers):
    with pytest.raises(ImageError, match="not a regular file"):
        resolve_user("", layers({"etc/passwd": None}), "i")


def test_a_fifo_does_not_block(layers):
    (layer,) = layers({"etc/x": ""})
    os.mkfifo(f"{layer}/etc/passwd")
    with pytest.raises(ImageError, match="not a regular file"):
        resolve_user("", [layer], "i")


def test_a_file_of_any_size_is_not_read(layers):
    (layer,) = layers({"etc/x": ""})
    with open(f"{layer}/etc/passwd", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ImageError, match="too large"):
        resolve_user("", [layer], "i")


def test_a_file_in_the_place_of_a_directory_hides_what_is_below(layers):
    image = layers({"etc": "a file"}, {"etc/passwd": PASSWD})
    assert resolve_user("", image, "i") == User(0, 0, (0,), "/")


def test_no_descriptor_is_left(image):
    before = sorted(os.listdir("/proc/self/fd"))
    resolve_user("web", image, "i")
    with pytest.raises(ImageError):
        resolve_user("none", image, "i")
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a device node")
class TestWhiteouts:
    def test_a_whiteout_removes_the_file(self, layers):
        image = layers({"etc/x": ""}, {"etc/passwd": PASSWD})
        os.mknod(f"{image[0]}/etc/passwd", 0o020000, 0)
        assert resolve_user("", image, "i").home == "/"

    def test_a_whiteout_removes_the_directory(self, layers):
        image = layers({"x": ""}, {"etc/passwd": PASSWD})
        os.mknod(f"{image[0]}/etc", 0o020000, 0)
        assert resolve_user("", image, "i").home == "/"

    def test_a_file_above_a_whiteout_is_seen(self, layers):
        image = layers({"etc/passwd": "web:x:7:7::/:\n"}, {"x": ""}, {"etc/passwd": PASSWD})
        os.mknod(f"{image[1]}/etc", 0o020000, 0)
        assert resolve_user("web", image, "i").uid == 7

    def test_an_opaque_directory_hides_what_is_below(self, layers):
        image = layers({"etc/x": ""}, {"etc/passwd": PASSWD})
        try:
            os.setxattr(f"{image[0]}/etc", "trusted.overlay.opaque", b"y")
        except OSError as error:
            pytest.skip(f"no trusted attributes here: {error.strerror}")
        assert resolve_user("", image, "i").home == "/"


@pytest.mark.parametrize("home", [b"/r\xff", b"/r\x07"])
def test_a_home_that_no_variable_can_hold(tmp_path, home):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_bytes(b"root:x:0:0:r\xf6\xf6t:" + home + b":/bin/sh\n")
    with pytest.raises(ImageError, match="its home directory in /etc/passwd"):
        resolve_user("", [str(tmp_path)], "i")
