"""What a machine type consists of, as Compute Engine bills it: cores, memory and the GPUs that come with it."""

import re
from dataclasses import dataclass

GIB_PER_VCPU = {"standard": 4.0, "highmem": 8.0, "highcpu": 1.0}
N1_GIB_PER_VCPU = {"standard": 3.75, "highmem": 6.5, "highcpu": 0.9}
PRICED_BY_CORE = ("n1", "n2", "e2", "g2")
PER_GPU = {
    "a2-highgpu": (12, 85.0, "NVIDIA_TESLA_A100"),
    "a2-ultragpu": (12, 170.0, "NVIDIA_A100_80GB"),
    "a3-highgpu": (26, 234.0, "NVIDIA_H100_80GB"),
}
"""Machines that are built around their GPUs: cores and memory for each. https://cloud.google.com/compute/docs/gpus"""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One machine.

    Attributes:
        family: e.g. `n1`.
        vcpus: number of virtual cores.
        gib: memory.
        gpus: those that are part of the machine type.
    """

    family: str
    vcpus: int
    gib: float
    gpus: dict[str, int]


def machine(machine_type: str) -> Machine | None:
    """The machine of this type, or None for a type whose parts are not known here."""
    if (built := re.fullmatch(r"((\w+)-\w+)-(\d+)g", machine_type)) and built[1] in PER_GPU:
        (vcpus, gib, gpu), count = PER_GPU[built[1]], int(built[3])
        return Machine(family=built[2], vcpus=vcpus * count, gib=gib * count, gpus={gpu: count})
    match = re.fullmatch(r"(\w+)-(standard|highmem|highcpu)-(\d+)", machine_type)
    if match is None or match[1] not in PRICED_BY_CORE:
        return None
    family, kind, vcpus = match[1], match[2], int(match[3])
    per_core = N1_GIB_PER_VCPU[kind] if family == "n1" else GIB_PER_VCPU[kind]
    # A G2 machine is built around its L4: one up to 16 cores (and for 32), then one for each 12.
    gpus = {"NVIDIA_L4": {24: 2, 48: 4, 96: 8}.get(vcpus, 1)} if family == "g2" else {}
    return Machine(family=family, vcpus=vcpus, gib=vcpus * per_core, gpus=gpus)
