#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write docs/kubernetes.md: where Podwright and an API server do not agree about a Pod, from ``differences.py``."""

import sys

from apiserver import version
from compare import ABSENT, Kind, compare
from corpus import HERE, answers, cases
from differences import DIFFERENCES, NOT_BUILT, Difference
from server import FEATURES

from podwright.manifest.unbuilt import REFUSED

PAGE = HERE.parents[2] / "docs/kubernetes.md"
HEADINGS = {
    Kind.STRICTER: "Refused by Podwright, accepted by Kubernetes",
    Kind.LAXER: "Accepted by Podwright, refused by Kubernetes",
    Kind.VALUE: "Other values",
}


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


def page() -> str:
    """Return the text of the page."""
    parts = [_introduction(), *(_section(kind) for kind in Kind), _not_built()]
    return "\n".join(parts)


def _introduction() -> str:
    recorded = answers().values()
    accepted = sum("accepted" in answer for answer in recorded)
    return f"""\
# Podwright and a Kubernetes API server

`tests/conformance/kubernetes` asks both about the same manifests: {len(recorded)}, of which the API server of
Kubernetes {version()} accepts {accepted}. It answers a dry run (`POST …/pods?dryRun=All&fieldValidation=Strict`) with
the Pod as it would be kept, or every error; `make kubernetes` records that, so that the tests need no server.
Podwright must accept what it accepts and refuse what it refuses, and must make the same of it, but for what is listed
here. This page is written by `.venv/bin/python tests/conformance/kubernetes/page.py`; a test fails when a difference is
not listed, and when one that is listed is none any more.

How values are compared: Podwright keeps a Pod in a normal form, without what is so by default; a server writes every
default down. So Kubernetes' defaults are filled into both (`defaults.py`). Then settings of the pod's security context
are written into each container that has none of its own, `RuntimeDefault` and `allowPrivilegeEscalation: false`
into what Podwright has nothing else for, and a hostname where there is none. What is only written differently compares
as equal: `1024Mi` and `1Gi`, `/a//b/` and `/a/b`, `CAP_CHOWN` and `CHOWN`, spellings of an IPv6 address, and the order
of variables, ports, volumes, mounts, capabilities and supplemental groups.

Of the features that are off by default, these are on, so that the server looks at their fields: {", ".join(FEATURES)}.

What is listed for a container holds for an init container. `[*]` is any item of a list, `…` whatever stands there.
"""


def _section(kind: Kind) -> str:
    rows = [_row(name, each) for name, each in DIFFERENCES.items() if each.kind is kind and each is not NOT_BUILT]
    return f"## {HEADINGS[kind]}\n\n| what | where | why |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"


def _row(name: str, difference: Difference) -> str:
    places = difference.where or ", ".join(f"`{field}`" for field in difference.fields if field) or "the whole"
    values = ""
    if difference.kind is Kind.VALUE and difference.ours:
        theirs = f", Kubernetes {difference.theirs}" if difference.theirs else ""
        values = f" (Podwright {difference.ours}{theirs})".replace(ABSENT, "nothing")
    return f"| {name} | {places} | {difference.reason}{values} |"


def _not_built() -> str:
    told: dict[tuple[str, str], list[str]] = {}
    for kind, fields in REFUSED.items():
        for name, refused in fields.items() if kind != "LoneContainer" else ():
            told.setdefault((kind, refused.hint), []).append(f"`{name}`")
    rows = [f"| {kind} | {', '.join(sorted(names))} | {hint} |" for (kind, hint), names in told.items()]
    return f"""\
## Refused by name

What this release does not have, unless its value asks for nothing. The error says so, and what to do instead.

| of | fields | instead |
| --- | --- | --- |
{chr(10).join(rows)}

And these values of other fields, as far as the manifests show them:

| where | what the error says |
| --- | --- |
{chr(10).join(_values_not_built())}
"""


def _values_not_built() -> list[str]:
    names = {name for fields in REFUSED.values() for name in fields}
    recorded = answers()
    found = {
        f"| `{mismatch.field}` | {mismatch.ours.partition(': ')[2].partition(' (got ')[0]} |"
        for case in cases()
        for mismatch in compare(case, recorded[case.id])
        if NOT_BUILT.covers(mismatch) and mismatch.field.rpartition(".")[2] not in names
    }
    return sorted(found)


if __name__ == "__main__":
    sys.exit(main())
