# SPDX-License-Identifier: Apache-2.0
"""Generates ``pod.schema.json`` from the models: ``python -m podwright.manifest.schema``.

The file is committed, and shipped in the wheel: ``check.py`` reads it, and so can an editor.
"""

import os

from podwright.manifest.check import SCHEMA_PATH


def generate() -> str:
    """Return the text of the schema, as the models define it."""
    import json

    from podwright.manifest.models import LoneContainer, Pod

    pod, container = (model.model_json_schema() for model in (Pod, LoneContainer))
    parts = container.pop("$defs")
    pod["$defs"] |= {**parts, "LoneContainer": container}
    document = _without_noise({"$schema": "https://json-schema.org/draft/2020-12/schema", **pod})
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _without_noise(node: object, *, are_names: bool = False) -> object:
    """Return a schema without titles and (null) defaults; the keys of ``properties`` and ``$defs`` are field names."""
    if isinstance(node, list):
        return [_without_noise(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_noise(value, are_names=not are_names and key in ("properties", "$defs"))
        for key, value in node.items()
        if are_names or key not in ("title", "default")
    }


def main() -> None:
    """Write the schema next to this file."""
    with open(SCHEMA_PATH, "w", encoding="utf-8") as file:
        file.write(generate())
    print(os.path.relpath(SCHEMA_PATH))


if __name__ == "__main__":
    main()
