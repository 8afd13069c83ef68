# SPDX-License-Identifier: Apache-2.0
"""Rules about what speaks to a scheduler; it has no effect here, and is checked so that a cluster takes it too."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from podwright.manifest import names, quantity
from podwright.manifest.faults import Fault
from podwright.manifest.paths import in_brackets

Labels = dict[str, str]

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
"""Annotation that a ReplicaSet reads when it chooses which of its pods to end."""
_COST = re.compile("0|[1-9][0-9]{0,9}|-[0-9]{1,10}")
_WITH_VALUES = ("In", "NotIn")
_ONE_VALUE = ("Gt", "Lt")
_BOTH = ("matchLabelKeys", "mismatchLabelKeys")


def faults_of(pod: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with the fields of a Pod that are a scheduler's or a cluster's."""
    cost = (pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0")
    if not _COST.fullmatch(cost) or not -(2**31) <= int(cost) < 2**31:
        yield Fault(f"metadata.annotations{in_brackets(DELETION_COST)}", "must be an integer of 32 bits", cost)
    spec, labels = pod["spec"], pod["metadata"].get("labels") or {}
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        yield from _toleration(toleration, f"spec.tolerations[{index}]")
    affinity = spec.get("affinity") or {}
    for kind, part in affinity.items():
        name = "preferredDuringSchedulingIgnoredDuringExecution"
        for index, term in enumerate((part or {}).get(name) or ()):
            field = f"spec.affinity.{kind}.{name}[{index}]"
            if kind == "nodeAffinity":
                yield from _node_term(term.get("preference") or {}, f"{field}.preference")
            else:
                yield from _pod_term(term["podAffinityTerm"], labels, f"{field}.podAffinityTerm")
    yield from _spread(spec.get("topologySpreadConstraints") or (), labels, "spec.topologySpreadConstraints")
    account = "serviceAccountName" if spec.get("serviceAccountName") else "serviceAccount"
    for name in ("priorityClassName", account):
        if spec.get(name) and not names.is_subdomain(spec[name]):
            yield Fault(f"spec.{name}", names.MEANING[names.DNS_SUBDOMAIN], spec[name])
    for name, amount in (spec.get("overhead") or {}).items():
        reason = _amount_fault(amount)
        if reason:
            yield Fault(f"spec.overhead{in_brackets(name)}", reason, amount)


def _amount_fault(amount: Any) -> str | None:
    try:
        return "must not be negative" if quantity.parse(amount) < 0 else None
    except ValueError as error:
        return str(error)


def _toleration(toleration: dict[str, Any], field: str) -> Iterator[Fault]:
    key, operator, value = (toleration.get(name) or "" for name in ("key", "operator", "value"))
    if key:
        yield from _label_key(key, f"{field}.key")
    elif operator != "Exists":
        yield Fault(f"{field}.operator", "must be 'Exists' where there is no key", operator)
    if operator == "Exists" and value:
        yield Fault(f"{field}.value", "must not be there with the operator 'Exists'", value)
    if operator != "Exists" and not names.is_label_value(value):
        yield Fault(f"{field}.value", names.LABEL_VALUE, value)
    if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
        yield Fault(f"{field}.effect", "must be 'NoExecute' with tolerationSeconds", toleration.get("effect"))


def _node_term(term: dict[str, Any], field: str) -> Iterator[Fault]:
    for index, requirement in enumerate(term.get("matchExpressions") or ()):
        yield from _requirement(requirement, f"{field}.matchExpressions[{index}]")
    for index, requirement in enumerate(term.get("matchFields") or ()):
        here = f"{field}.matchFields[{index}]"
        if requirement["key"] != "metadata.name":
            yield Fault(
                f"{here}.key", "must be metadata.name, the only field of a node to be told by", requirement["key"]
            )
        if requirement["operator"] not in _WITH_VALUES:
            yield Fault(f"{here}.operator", "must be 'In' or 'NotIn'", requirement["operator"])
        values = requirement.get("values") or []
        if len(values) != 1 or not names.is_subdomain(values[0]):
            yield Fault(f"{here}.values", "must be the name of one node", values)


def _requirement(requirement: dict[str, Any], field: str) -> Iterator[Fault]:
    yield from _label_key(requirement["key"], f"{field}.key")
    operator, values = requirement["operator"], requirement.get("values") or []
    if operator in _WITH_VALUES:
        if not values:
            yield Fault(f"{field}.values", f"must not be empty with the operator '{operator}'", values)
    elif operator in _ONE_VALUE:
        if len(values) != 1:
            yield Fault(f"{field}.values", f"must be one value with the operator '{operator}'", values)
    elif values:
        yield Fault(f"{field}.values", f"must not be there with the operator '{operator}'", values)


def _selector(selector: dict[str, Any] | None, field: str) -> Iterator[Fault]:
    """Yield what is wrong with a selector of objects by their labels."""
    for key, value in ((selector or {}).get("matchLabels") or {}).items():
        yield from _label_key(key, f"{field}.matchLabels{in_brackets(key)}")
        yield from _label_values([value], f"{field}.matchLabels{in_brackets(key)}")
    for index, requirement in enumerate((selector or {}).get("matchExpressions") or ()):
        here = f"{field}.matchExpressions[{index}]"
        yield from _requirement(requirement, here)
        yield from _label_values(requirement.get("values") or (), f"{here}.values")


def _pod_term(term: dict[str, Any], labels: Labels, field: str) -> Iterator[Fault]:
    yield from _label_key(term["topologyKey"], f"{field}.topologyKey")
    yield from _selector(term.get("labelSelector"), f"{field}.labelSelector")
    yield from _selector(term.get("namespaceSelector"), f"{field}.namespaceSelector")
    for name in term.get("namespaces") or ():
        if not names.is_label(name):
            yield Fault(f"{field}.namespaces", names.MEANING[names.DNS_LABEL], name)
    yield from _label_keys(term, labels, field)
    for key in set(term.get(_BOTH[0]) or ()) & set(term.get(_BOTH[1]) or ()):
        yield Fault(f"{field}.{_BOTH[0]}", f"must not hold what {_BOTH[1]} holds", key)


def _label_keys(term: dict[str, Any], labels: Labels, field: str) -> Iterator[Fault]:
    """Yield what is wrong with the keys of labels whose values are the pod's own.

    A server adds them to the selector (applyLabelKeysToLabelSelector), and then none may be there twice.
    """
    selector = term.get("labelSelector")
    selected = [requirement["key"] for requirement in (selector or {}).get("matchExpressions") or ()]
    for name in _BOTH:
        keys = term.get(name) or ()
        if keys and selector is None:
            yield Fault(f"{field}.{name}", "needs a labelSelector beside it", keys)
        for key in keys:
            yield from _label_key(key, f"{field}.{name}")
        selected += [key for key in keys if key in labels]
    seen = set((selector or {}).get("matchLabels") or ())
    for key in selected:
        if key in seen and key in (term.get(_BOTH[0]) or ()):
            yield Fault(f"{field}.{_BOTH[0]}", "must not hold a key twice, nor one that labelSelector holds", key)
        seen.add(key)


def _spread(constraints: Iterable[dict[str, Any]], labels: Labels, field: str) -> Iterator[Fault]:
    seen = set()
    for index, constraint in enumerate(constraints):
        here = f"{field}[{index}]"
        kind = (constraint["topologyKey"], constraint["whenUnsatisfiable"])
        if kind in seen:
            yield Fault(here, "must differ from those before it in topologyKey or whenUnsatisfiable", constraint)
        seen.add(kind)
        if not constraint["topologyKey"]:
            yield Fault(f"{here}.topologyKey", "must not be empty", "")
        if constraint.get("minDomains") is not None and kind[1] != "DoNotSchedule":
            yield Fault(f"{here}.minDomains", "needs whenUnsatisfiable: DoNotSchedule", constraint["minDomains"])
        yield from _selector(constraint.get("labelSelector"), f"{here}.labelSelector")
        yield from _label_keys(constraint, labels, here)


def _label_key(key: str, field: str) -> Iterator[Fault]:
    if not names.is_label_key(key):
        yield Fault(field, names.LABEL_KEY, key)


def _label_values(values: Iterable[str], field: str) -> Iterator[Fault]:
    for value in values:
        if not names.is_label_value(value):
            yield Fault(field, names.LABEL_VALUE, value)
