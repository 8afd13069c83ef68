# SPDX-License-Identifier: Apache-2.0
"""``podwright api``: one request as JSON on stdin, one answer on stdout. The door for everything remote.

``handle`` is the whole of it as a function, so that the Ansible module and its fast lane say exactly the same.
"""

import json
from collections.abc import Callable
from typing import Any

from podwright.errors import ManifestError, PodwrightError, WaitTimeout
from podwright.manifest.lone import KIND
from podwright.plan.model import Plan
from podwright.runtime import Result, Runtime

VERSION = 1
IMAGE = "Image"


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Answer one request.

    ``{"version": 1, "action": A, …}`` with A one of plan, apply, get, list, logs, delete. What it speaks of is a Pod,
    unless ``"kind": "Container"`` says that it is a container alone, or ``"Image"`` an image, for which there are
    prune and verify too, and no logs. The answer is
    ``{"status": "ok", "result": …}`` or ``{"status": "error", "error": {"type", "message", "field"?, "value"?}}``,
    with the ``result`` too when the pod was applied and only the wait for it was in vain.
    Raises nothing that a user could cause.
    """
    try:
        return {"status": "ok", "result": _answer(request)}
    except WaitTimeout as error:
        return {"status": "error", "error": error.as_dict(), "result": _result(error.result)}
    except PodwrightError as error:
        return {"status": "error", "error": error.as_dict()}


def respond(text: str | bytes) -> str:
    """Answer the request in ``text`` (JSON) as JSON text."""
    try:
        request = json.loads(text)
        if not isinstance(request, dict):
            raise TypeError("it must be an object")
    except (ValueError, TypeError, RecursionError) as error:
        return json.dumps({"status": "error", "error": {"type": "ApiError", "message": f"not a request: {error}"}})
    return json.dumps(handle(request))


def _answer(request: dict[str, Any]) -> Any:
    version = request.get("version")
    if version != VERSION:
        raise PodwrightError(
            f"the request's version is {version!r}, but this podwright speaks {VERSION}; upgrade the older side",
            field="version",
            value=version,
        )
    for field, kind in _FIELDS.items():
        value = request.get(field)
        if value is not None and not (isinstance(value, kind) and (kind is bool or not isinstance(value, bool))):
            raise PodwrightError(f"{field} is {value!r}, but must be {_KINDS[kind]}", field=field, value=value)
    actions = _actions(_kind(request))
    action = request.get("action") or ""
    if action not in actions:
        raise PodwrightError(
            f"unknown action {request.get('action')!r}; choose one of: {', '.join(actions)}",
            field="action",
            value=request.get("action"),
        )
    return actions[action](Runtime(), request)


def _plan(runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
    manifest, objects = _documents(request)
    plans = [runtime.objects.plan(one) for one in objects]
    return _beside(runtime.plan(manifest, beside=objects), objects, plans).as_dict()


def _apply(runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
    timeout = 120.0 if request.get("timeout") is None else float(request["timeout"])
    manifest, objects = _documents(request)
    if objects:
        runtime.plan(manifest, beside=objects)  # what is wrong with the Pod stops all, before anything is done
    plans = [runtime.objects.apply(one) for one in objects]  # the Pod's images may need them
    try:
        plan, pod = runtime.apply(manifest, wait=bool(request.get("wait")), timeout=timeout)
    except WaitTimeout as error:
        error.result = error.result._replace(plan=_beside(error.result.plan, objects, plans))
        raise
    return _result(Result(_beside(plan, objects, plans), pod))


def _delete(runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
    name, namespace = _target(request)
    kind = _kind(request)
    beside = _documents(request)[1] if request.get("text") else []
    objects = [one for one in beside if one["kind"] != "PersistentVolumeClaim"]  # data goes only when asked for by name
    if request.get("dry_run"):
        plan = runtime.plan_delete(name, namespace, kind)
        return _result(Result(_beside(plan, objects, [runtime.objects.plan_delete(one) for one in objects]), None))
    plan, _gone = runtime.delete(name, namespace, grace=request.get("grace"), kind=kind)
    return _result(Result(_beside(plan, objects, [runtime.objects.delete(one) for one in objects]), None))


def _get(runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
    return runtime.get(*_target(request), _kind(request))


def _list(runtime: Runtime, request: dict[str, Any]) -> list[dict[str, Any]]:
    return runtime.list(request.get("namespace"), _kind(request))


def _logs(runtime: Runtime, request: dict[str, Any]) -> list[str]:
    name, namespace = _target(request)
    container, tail = request.get("container"), request.get("tail")
    return runtime.logs(name, namespace, container=container, tail=tail, kind=_kind(request))


_NUMBER = int | float
_FIELDS: dict[str, Any] = {
    "action": str,
    "kind": str,
    "manifest": dict,
    "text": str,
    "name": str,
    "namespace": str,
    "wait": bool,
    "timeout": _NUMBER,
    "dry_run": bool,
    "grace": int,
    "container": str,
    "tail": int,
    "names": list,
    "force": bool,
    "all": bool,
}
_KINDS: dict[Any, str] = {
    str: "a string",
    dict: "an object",
    list: "a list",
    bool: "true or false",
    int: "a whole number",
    _NUMBER: "a number",
}

_ACTIONS: dict[str, Callable[[Runtime, dict[str, Any]], Any]] = {
    "plan": _plan,
    "apply": _apply,
    "get": _get,
    "list": _list,
    "logs": _logs,
    "delete": _delete,
}


def _actions(kind: str) -> dict[str, Callable[[Runtime, dict[str, Any]], Any]]:
    if kind != IMAGE:
        return _ACTIONS
    from podwright.cli.api_images import ACTIONS

    return ACTIONS


def _result(result: Result) -> dict[str, Any]:
    return {**result.plan.as_dict(), "pod": result.pod}


def _target(request: dict[str, Any]) -> tuple[str, str]:
    """Return name and namespace: given as such, or those of a manifest."""
    if request.get("name"):
        return str(request["name"]), str(request.get("namespace") or "default")
    manifest = _manifest(request)
    if _kind(request) == KIND:
        raise ManifestError("name: a container needs a name", field="name")
    kind, metadata = manifest.get("kind", "Pod"), manifest.get("metadata")
    if kind != "Pod":
        raise ManifestError(f"kind: podwright runs Pods, and no other kind (got {kind!r})", field="kind", value=kind)
    if not isinstance(metadata, dict) or not metadata.get("name"):
        raise ManifestError("metadata.name: a pod needs a name", field="metadata.name")
    return str(metadata["name"]), str(metadata.get("namespace") or "default")


def _kind(request: dict[str, Any]) -> str:
    kind = str(request.get("kind") or "Pod")
    if kind not in ("Pod", KIND, IMAGE):
        raise PodwrightError(f"kind is {kind!r}, but must be Pod, {KIND} or {IMAGE}", field="kind", value=kind)
    return kind


def _manifest(request: dict[str, Any]) -> dict[str, Any]:
    return _documents(request)[0]


def _documents(request: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the manifest, and the ConfigMaps and Secrets that came with it."""
    if isinstance(request.get("manifest"), dict):
        manifest = request["manifest"]
        return ({"kind": KIND, **manifest} if _kind(request) == KIND else dict(manifest)), []
    if isinstance(request.get("text"), str):
        from podwright.manifest.load import load_documents, split

        return split(load_documents(request["text"]))
    raise ManifestError("the request holds neither a manifest nor a text")


def _beside(plan: Plan, objects: list[dict[str, Any]], plans: list[Plan]) -> Plan:
    """Add to a Pod's plan those of the objects that came with it."""
    if not objects:
        return plan
    from podwright.plan.objects import beside

    return beside(plan, zip(objects, plans, strict=True))
