"""Time series as an alert or a chart looks at them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Series:
    """Some series of one metric, aligned and joined."""

    filter: str
    """Monitoring filter that names one metric and one kind of resource."""
    period: str
    """Length of the windows into which points are aligned, e.g. `300s`; at least a minute, for an alert at most 25 hours."""
    aligner: str
    reducer: str | None = None
    """How series are joined; None keeps them apart."""
    group_by: Sequence[str] = ()
    """Labels that tell joined series apart."""
