# SPDX-License-Identifier: Apache-2.0
"""What all models of a manifest's objects have in common. Like them it is imported only where pydantic is wanted."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Object(BaseModel):
    """An object that knows all its fields; ``null`` means absent, as in Kubernetes."""

    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, use_attribute_docstrings=True, serialize_by_alias=True
    )
