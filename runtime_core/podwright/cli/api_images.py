# SPDX-License-Identifier: Apache-2.0
"""The part of ``podwright api`` that is about images (``"kind": "Image"``)."""

from collections.abc import Callable
from typing import Any

from podwright.errors import ManifestError
from podwright.images.reference import parse
from podwright.manifest.image import KIND
from podwright.runtime import Runtime
from podwright.runtime_images import ImageResult, view


def _plan(runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
    return runtime.images.plan(_document(request)).as_dict()


def _apply(runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
    return _result(runtime.images.apply(_document(request)))


def _delete(runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
    name, force = _name(request), bool(request.get("force"))
    if request.get("dry_run"):
        return _result(ImageResult(runtime.images.plan_delete(name, force=force), None))
    return _result(runtime.images.delete(name, force=force))


def _get(runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
    return view(runtime.images.get(_name(request)))


def _list(runtime: Runtime, request: dict[str, Any]) -> list[dict[str, Any]]:
    names = request.get("names")
    if names is None:
        return [view(image) for image in runtime.images.list()]
    if not all(isinstance(name, str) for name in names):
        raise ManifestError("names: must be strings", field="names")
    wanted = {str(parse(name)) for name in names}
    return [view(image) for image in runtime.images.list() if image.reference in wanted]


def _prune(runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
    pruned = runtime.images.prune(all=bool(request.get("all")), dry_run=bool(request.get("dry_run")))
    lists = (pruned.images, pruned.blobs, pruned.layers, pruned.leftovers)
    gone = "".join(f"{name}\n" for names in lists for name in names)
    return {"changed": bool(gone), **pruned._asdict(), "diff": {"before": gone, "after": ""}}


def _verify(runtime: Runtime, _request: dict[str, Any]) -> dict[str, Any]:
    found = runtime.images.verify()
    return {**found._asdict(), "damages": [damage._asdict() for damage in found.damages]}


ACTIONS: dict[str, Callable[[Runtime, dict[str, Any]], Any]] = {
    "plan": _plan,
    "apply": _apply,
    "get": _get,
    "list": _list,
    "delete": _delete,
    "prune": _prune,
    "verify": _verify,
}


def _result(result: ImageResult) -> dict[str, Any]:
    return {**result.plan.as_dict(), "image": view(result.image) if result.image else None}


def _document(request: dict[str, Any]) -> dict[str, Any]:
    if isinstance(request.get("manifest"), dict):
        return {"kind": KIND, **request["manifest"]}
    raise ManifestError("the request holds no manifest", field="manifest")


def _name(request: dict[str, Any]) -> str:
    name = request.get("name")
    if not name:
        raise ManifestError("name: required, but missing", field="name")
    return str(name)
