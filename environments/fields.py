"""What a value of a file looks like: names, places, addresses, machines. A wrong one is refused with what mends it."""

import difflib
from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, WithJsonSchema

Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*$")]
"""One part of a name. No separator inside, so that joined parts can always be taken apart again."""

ProjectId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$", max_length=30)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$")]
LabelKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
LabelValue = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{0,63}$")]
MachineType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*-[a-z0-9-]+$")]
Domain = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}$", max_length=253)]

REGIONS = (
    "africa-south1", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3", "asia-south1", "asia-south2",
    "asia-southeast1", "asia-southeast2", "australia-southeast1", "australia-southeast2", "europe-central2", "europe-north1",
    "europe-north2", "europe-southwest1", "europe-west1", "europe-west2", "europe-west3", "europe-west4", "europe-west6", "europe-west8",
    "europe-west9", "europe-west12", "me-central1", "me-central2", "me-west1", "northamerica-northeast1", "northamerica-northeast2",
    "southamerica-east1", "southamerica-west1", "us-central1", "us-east1", "us-east4", "us-east5", "us-east7", "us-south1", "us-west1",
    "us-west2", "us-west3", "us-west4", "us-west8",
)  # fmt: skip
"""Where Vertex AI is, as its SDK knows it (`google.cloud.aiplatform.constants.base.SUPPORTED_REGIONS`; a test compares).
https://cloud.google.com/vertex-ai/docs/general/locations"""


def _known(*others: str) -> AfterValidator:
    """Refuses what is neither a region nor one of the others."""

    def known(place: str) -> str:
        if place not in (allowed := (*REGIONS, *others)):
            near = difflib.get_close_matches(place, allowed, n=3, cutoff=0.0)
            raise ValueError(
                f"Vertex AI is not in {place!r}, so that an apply would stop at its first regional resource; did you mean "
                f"{' or '.join(near)}? REGIONS in environments/fields.py lists all"
            )
        return place

    return AfterValidator(known)


def _offered(*others: str) -> WithJsonSchema:
    """The same as editors offer it."""
    return WithJsonSchema({"type": "string", "enum": [*REGIONS, *others]})


Region = Annotated[str, _known(), _offered()]
DataLocation = Annotated[str, _known("EU", "US"), _offered("EU", "US")]
GeminiLocation = Annotated[str, _known("global"), _offered("global")]


def _private(cidr: str) -> str:
    """Refuses a range that Google would not give to a subnetwork."""
    try:
        network = ip_network(cidr)
    except ValueError as error:
        raise ValueError(f"{error}, and Google would refuse the subnetwork; give a first address and a length, e.g. 10.10.0.0/20") from None
    if network.is_global:
        raise ValueError(f"{cidr} belongs to somebody on the internet, who could not be reached any more; take one from 10.0.0.0/8")
    return cidr


CidrRange = Annotated[str, StringConstraints(pattern=r"^(\d{1,3}\.){3}\d{1,3}/(1[6-9]|2[0-9])$"), AfterValidator(_private)]


class Strict(BaseModel):
    """A model whose values are never coerced, whose unknown keys are refused and which never changes."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
