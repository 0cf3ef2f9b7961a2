"""Nearest entities of a feature view: the query is compared with every embedding, whatever algorithm the index is configured with.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.featureOnlineStores.featureViews/searchNearestEntities
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator.behaviours import Refusal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float64]

Json = dict[str, Any]

NEIGHBOURS = 10
"""How many are found where the query does not say."""
MEASURE = "DOT_PRODUCT_DISTANCE"
"""By which an index measures where its configuration does not say."""
COMPARISONS = {
    "LESS": operator.lt,
    "LESS_EQUAL": operator.le,
    "EQUAL": operator.eq,
    "GREATER_EQUAL": operator.ge,
    "GREATER": operator.gt,
    "NOT_EQUAL": operator.ne,
}


@dataclass(frozen=True)
class Index:
    """Embeddings, with what filters may ask."""

    entities: list[str]
    vectors: Vectors
    """(entities, dimensions)."""
    features: list[list[Json]]

    @classmethod
    def of(cls, rows: Iterable[tuple[str, list[Json]]], column: str) -> Index:
        """The rows that have an embedding in `column`."""
        import numpy as np

        kept = [(entity, features, vector) for entity, features in rows if (vector := embedding(features, column))]
        vectors = np.array([vector for _, _, vector in kept], dtype=np.float64).reshape(len(kept), -1)
        return cls([entity for entity, _, _ in kept], vectors, [features for _, features, _ in kept])


def embedding(features: Iterable[Json], column: str) -> list[float]:
    """The embedding among the features of an entity; empty where it has none."""
    found = value_of(features, column).get("doubleArrayValue", {}).get("values", [])
    return [float(one) for one in found]


def value_of(features: Iterable[Json], name: str) -> Json:
    """The `FeatureValue` of a feature; empty where it has none."""
    return next((dict(feature.get("value") or {}) for feature in features if feature["name"] == name), {})


def nearest(index: Index, config: Json, query: Json, vector: Sequence[float]) -> list[tuple[int, float]]:
    """Places in the index and distances, nearest first.

    Args:
        index: What is searched.
        config: The view's `indexConfig`.
        query: `NearestNeighborQuery`.
        vector: What is looked for.

    Raises:
        Refusal: The vector has another width than the index, or a filter asks for what the index does not hold.
    """
    import numpy as np

    _check(config, query)
    if not index.entities:
        return []
    width = index.vectors.shape[1]
    if len(vector) != width:
        raise Refusal(400, "INVALID_ARGUMENT", f"The query's embedding has {len(vector)} dimensions, those of the view have {width}.")
    wanted = np.array(vector, dtype=np.float64)
    if not np.isfinite(wanted).all():
        raise Refusal(400, "INVALID_ARGUMENT", "The query's embedding holds a value that is not finite.")
    found = distances(index.vectors, wanted, config.get("distanceMeasureType") or MEASURE)
    count = query.get("neighborCount") or NEIGHBOURS
    most, crowds = query.get("perCrowdingAttributeNeighborCount", 0), Counter[str]()
    chosen: list[tuple[int, float]] = []
    for place in np.argsort(found, kind="stable"):
        features = index.features[place]
        if not _passes(features, query):
            continue
        if most:
            crowd = str(value_of(features, config["crowdingColumn"]))
            crowds[crowd] += 1
            if crowds[crowd] > most:
                continue
        chosen.append((int(place), float(found[place])))
        if len(chosen) == count:
            break
    return chosen


def distances(vectors: Vectors, query: Vectors, measure: str) -> Vectors:
    """How far each vector is from the query, by `FeatureView.IndexConfig.DistanceMeasureType`.

    Args:
        vectors: (rows, dimensions).
        query: (dimensions,).
        measure: Squared Euclidean distance, one minus the cosine (1 where a vector is zero), or the negative dot product.
    """
    import numpy as np

    if measure == "SQUARED_L2_DISTANCE":
        return np.asarray(np.square(vectors - query).sum(axis=1))
    products = vectors @ query
    if measure == "COSINE_DISTANCE":
        norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
        return np.asarray(1 - np.divide(products, norms, out=np.zeros_like(products), where=norms > 0))
    return np.asarray(-products)


def _check(config: Json, query: Json) -> None:
    columns = config.get("filterColumns", [])
    for one in [*query.get("stringFilters", []), *query.get("numericFilters", [])]:
        if one["name"] not in columns:
            raise Refusal(400, "INVALID_ARGUMENT", f"The index filters by {columns or 'no column'}, not by {one['name']!r}.")
    if query.get("perCrowdingAttributeNeighborCount") and not config.get("crowdingColumn"):
        raise Refusal(400, "INVALID_ARGUMENT", "per_crowding_attribute_neighbor_count needs an index with a crowding_column.")
    if query.get("neighborCount", 1) < 0:
        raise Refusal(400, "INVALID_ARGUMENT", "neighbor_count is negative.")


def _passes(features: list[Json], query: Json) -> bool:
    for one in query.get("stringFilters", []):
        value = value_of(features, one["name"])
        tokens = set(value.get("stringArrayValue", {}).get("values", [])) | {value[form] for form in ("stringValue",) if form in value}
        if (one.get("allowTokens") and not tokens & set(one["allowTokens"])) or tokens & set(one.get("denyTokens", [])):
            return False
    for one in query.get("numericFilters", []):
        value = value_of(features, one["name"])
        held = next((float(value[form]) for form in ("int64Value", "doubleValue") if form in value), None)
        wanted = next((float(one[form]) for form in ("valueInt", "valueFloat", "valueDouble") if form in one), 0.0)
        if held is None or not COMPARISONS[one.get("op", "EQUAL")](held, wanted):
            return False
    return True
