# SPDX-License-Identifier: Apache-2.0
"""What all models of a manifest have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from podwright.manifest import names

DnsLabel = Annotated[str, Field(pattern=names.DNS_LABEL, max_length=names.LABEL_LENGTH)]
Image = Annotated[str, Field(pattern=names.IMAGE, max_length=names.IMAGE_LENGTH)]
DnsSubdomain = Annotated[str, Field(pattern=names.DNS_SUBDOMAIN, max_length=names.SUBDOMAIN_LENGTH)]
Quantity = str | int | float


class Object(BaseModel):
    """An object that knows all its fields; ``null`` means absent, as in Kubernetes."""

    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, use_attribute_docstrings=True, serialize_by_alias=True
    )
