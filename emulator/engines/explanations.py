"""Sampled Shapley attributions: what each feature of an instance adds to the prediction, found by asking about mixtures with a baseline.

A feature's value is the mean, over orders in which the features take their values one after another, of what the output changes by when it
does. Where no more orders exist than paths are asked for, all are taken, and the value is exact.
https://cloud.google.com/vertex-ai/docs/explainable-ai/overview#sampled-shapley, https://arxiv.org/abs/1306.4265
"""

from __future__ import annotations

import copy
import itertools
import math
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.behaviours import Refusal

Json = dict[str, Any]
Path = tuple[str | int, ...]
"""Keys and indices that lead to a value."""
Ask = Callable[[list[Any]], Awaitable[list[Any]]]
"""Instances → predictions."""

MOST_PATHS = 50
MOST_MIXTURES = 50_000
"""Predictions that one explanation may ask for on one machine."""
SEED = 0
GRADIENTS = {"integratedGradientsAttribution": "Integrated gradients", "xraiAttribution": "XRAI"}


@dataclass(frozen=True)
class Player:
    """What has one attribution: a scalar of a feature, or a group of features."""

    name: str
    """Of the feature or group."""
    paths: tuple[Path, ...]
    """The scalars that take their values together."""
    grouped: bool


@dataclass(frozen=True)
class Specification:
    """An explanation specification that can be computed."""

    inputs: Json
    """Feature → its metadata."""
    output: str
    """Field of a prediction that is explained."""
    labels: Json
    """Metadata of the output: where the names of classes are."""
    paths: int
    top: int
    """How many outputs are explained, the largest first; -1 for all."""
    indices: tuple[Any, ...]
    """Outputs that are explained instead; empty for none."""


def specification(given: Json, override: Json) -> Specification:
    """The specification of a deployed model with what a request overrides.

    Args:
        given: `ExplanationSpec`.
        override: `ExplanationSpecOverride`.

    Raises:
        Refusal: There is none, it cannot be computed, or it is wrong; the message says which.
    """
    own, changed = given.get("parameters", {}), override.get("parameters", {})
    if not own:
        raise Refusal(400, "FAILED_PRECONDITION", "The deployed model has no explanationSpec: nothing explains it. Deploy it with one.")
    for method, name in GRADIENTS.items():
        if method in own or method in changed:
            message = (
                f"{name} needs the model's gradients, which its server does not tell. Nothing was explained. Use sampledShapleyAttribution."
            )
            raise Refusal(400, "INVALID_ARGUMENT", message)
    if "examples" in own or "examples" in changed or "examplesOverride" in override:
        raise Refusal(400, "INVALID_ARGUMENT", "Explanations by examples are not emulated by the local Google Cloud: they need an index.")
    parameters = {**own, **changed}
    paths = int(parameters.get("sampledShapleyAttribution", {}).get("pathCount", 0))
    if not 1 <= paths <= MOST_PATHS:
        raise Refusal(400, "", f"sampledShapleyAttribution.pathCount is {paths}, not 1 to {MOST_PATHS}. Nothing was explained.")
    metadata = given.get("metadata", {})
    inputs = {name: dict(value or {}) for name, value in metadata.get("inputs", {}).items()}
    for name, value in override.get("metadata", {}).get("inputs", {}).items():
        if name not in inputs:
            raise Refusal(400, "", f"The override names the feature {name!r}; the model's are {', '.join(inputs)}. Nothing was explained.")
        inputs[name] |= value or {}
    outputs = metadata.get("outputs", {})
    if not inputs or len(outputs) != 1:
        raise Refusal(400, "", "explanationSpec.metadata needs inputs and one output. Nothing was explained. Deploy the model with them.")
    ((output, labels),) = outputs.items()
    indices = parameters.get("outputIndices") or []
    if not isinstance(indices, list):
        raise Refusal(400, "", "explanationSpec.parameters.outputIndices is no list. Nothing was explained.")
    return Specification(inputs, output, labels or {}, paths, int(parameters.get("topK") or 1), tuple(indices))


async def explain(ask: Ask, instance: Any, prediction: Any, wanted: Specification) -> Json:
    """The `Explanation` of one prediction.

    Args:
        ask: Asks the model.
        instance: What was predicted: an object with the features.
        prediction: What the model answered.
        wanted: How it is to be explained.

    Raises:
        Refusal: The instance has not the features, the prediction not the output, or it would take too long.
    """
    if not isinstance(instance, dict) or (missing := sorted(wanted.inputs.keys() - instance.keys())):
        said = "is no object" if not isinstance(instance, dict) else f"has no {missing[0]!r}"
        raise Refusal(400, "", f"An instance {said}; its features are {', '.join(wanted.inputs)}. Nothing was explained.")
    players = _players(instance, wanted)
    baselines = _baselines(instance, wanted)
    if (count := wanted.paths * len(players) * len(baselines)) > MOST_MIXTURES:
        message = f"{count} predictions would explain one instance, more than {MOST_MIXTURES}: group features, or lower pathCount."
        raise Refusal(400, "INVALID_ARGUMENT", message)
    orders = list(_orders(len(players), wanted.paths))
    masks = sorted({mask for order in orders for mask in _walk(order)} | {0})
    whole = (1 << len(players)) - 1
    outputs = {whole: _flat(_output(prediction, wanted.output))}
    chosen = _chosen(outputs[whole], wanted)
    attributions: list[list[list[float]]] = [[] for _ in chosen]
    zero = [0.0] * len(chosen)
    for baseline in baselines:
        asked = [mask for mask in masks if mask != whole]
        predicted = await ask([_mixture(instance, baseline, players, mask) for mask in asked])
        values = {mask: _flat(_output(one, wanted.output)) for mask, one in zip(asked, predicted, strict=True)} | {whole: outputs[whole]}
        for rank, index in enumerate(chosen):
            try:
                of_mask = {mask: found[index] for mask, found in values.items()}
            except KeyError:
                raise Refusal(
                    400, "", f"The predictions' {wanted.output!r} changes its shape with the instance: nothing was explained."
                ) from None
            zero[rank] += of_mask[0] / len(baselines)
            attributions[rank] += [_gains(order, of_mask) for order in orders]
    exact = _are_few(len(players), wanted.paths)
    explained = []
    for rank, index in enumerate(chosen):
        means = [math.fsum(column) / len(column) for column in zip(*attributions[rank], strict=True)]
        told = {
            "baselineOutputValue": zero[rank],
            "instanceOutputValue": outputs[whole][index],
            "featureAttributions": _shaped(instance, players, means),
            "approximationError": 0.0 if exact else _error(attributions[rank], means),
            "outputName": wanted.output,
        }
        name = _label(prediction, index, wanted.labels)
        explained.append({**told, **({"outputIndex": list(index)} if index else {}), **({"outputDisplayName": name} if name else {})})
    return {"attributions": explained}


def _players(instance: Json, wanted: Specification) -> list[Player]:
    groups: dict[str, list[Path]] = {}
    players = []
    for name, metadata in wanted.inputs.items():
        paths = [(name, *path) for path in _leaves(instance[name])]
        if group := metadata.get("groupName"):
            groups.setdefault(group, []).extend(paths)
        else:
            players += [Player(name, (path,), False) for path in paths]
    return players + [Player(name, tuple(paths), True) for name, paths in groups.items()]


def _leaves(value: Any) -> Iterator[Path]:
    """The ways to the scalars of a value."""
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from ((key, *path) for path in _leaves(inner))
    else:
        yield ()


def _baselines(instance: Json, wanted: Specification) -> list[Json]:
    """Instances in which every feature has a baseline; by default zero, or what is empty of its type."""
    given = {name: metadata.get("inputBaselines") or [_default(instance[name])] for name, metadata in wanted.inputs.items()}
    count = max(len(values) for values in given.values())
    if any(len(values) not in (1, count) for values in given.values()):
        raise Refusal(
            400,
            "",
            f"The features have different numbers of inputBaselines, up to {count}. Nothing was explained. Give each as many, or one.",
        )
    return [{name: _like(values[index % len(values)], instance[name], name) for name, values in given.items()} for index in range(count)]


def _default(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _default(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_default(inner) for inner in value]
    return None if value is None else type(value)()


def _like(baseline: Any, value: Any, name: str) -> Any:
    """A baseline in the shape of a value; a scalar is one for each scalar of it."""
    if isinstance(value, dict):
        parts = {key: baseline.get(key) if isinstance(baseline, dict) else baseline for key in value}
        return {key: _like(parts[key], inner, name) for key, inner in value.items()}
    if isinstance(value, list):
        if isinstance(baseline, list) and len(baseline) != len(value):
            raise Refusal(400, "", f"A baseline of {name!r} has {len(baseline)} values, the feature {len(value)}. Nothing was explained.")
        return [_like(baseline[index] if isinstance(baseline, list) else baseline, inner, name) for index, inner in enumerate(value)]
    if isinstance(baseline, (list, dict)):
        raise Refusal(400, "", f"A baseline of {name!r} is not shaped as the feature is. Nothing was explained.")
    return baseline


def _orders(count: int, paths: int) -> Iterator[Sequence[int]]:
    """All orders of the players, or so many drawn ones, each followed by its reverse, which evens out much of the chance."""
    if _are_few(count, paths):
        yield from itertools.permutations(range(count))
        return
    chance = random.Random(SEED)
    for number in range(paths):
        if number % 2 == 0:
            order = chance.sample(range(count), count)
        yield order if number % 2 == 0 else order[::-1]


def _are_few(count: int, paths: int) -> bool:
    """Whether no more orders of so many players exist than paths are asked for."""
    return count < MOST_PATHS and math.factorial(count) <= paths


def _walk(order: Sequence[int]) -> Iterator[int]:
    """Who has taken its value, as bits, after each step."""
    return itertools.accumulate(1 << player for player in order)


def _gains(order: Sequence[int], values: dict[int, float]) -> list[float]:
    """What each player's step changes the output by."""
    gains, before = [0.0] * len(order), 0
    for player, after in zip(order, _walk(order), strict=True):
        gains[player], before = values[after] - values[before], after
    return gains


def _error(samples: list[list[float]], means: list[float]) -> float:
    """Standard error of the attributions, as a part of them all."""
    size = math.hypot(*means)
    if len(samples) < 2 or not size:
        return 0.0
    squares = [math.fsum((one[player] - mean) ** 2 for one in samples) for player, mean in enumerate(means)]
    return math.sqrt(math.fsum(squares) / (len(samples) - 1) / len(samples)) / size


def _mixture(instance: Json, baseline: Json, players: list[Player], mask: int) -> Json:
    """The instance with the baseline's values for those who have not taken theirs."""
    mixed = copy.deepcopy(instance)
    for number, player in enumerate(players):
        if not mask >> number & 1:
            for path in player.paths:
                inside, source = mixed, baseline
                for key in path[:-1]:
                    inside, source = inside[key], source[key]  # type: ignore[index]
                inside[path[-1]] = source[path[-1]]  # type: ignore[index]
    return mixed


def _output(prediction: Any, name: str) -> Any:
    if isinstance(prediction, dict):
        if name not in prediction:
            raise Refusal(
                400, "", f"The predictions have no {name!r} but {', '.join(prediction)}. Nothing was explained. Name the output so."
            )
        return prediction[name]
    return prediction


def _flat(output: Any) -> dict[tuple[int, ...], float]:
    """Index → number; a scalar has the empty index."""
    found = {}
    for path in _leaves(output):
        value = output
        for key in path:
            value = value[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Refusal(400, "", f"The output that is to be explained holds {str(value)[:80]!r}, no number. Nothing was explained.")
        found[tuple(int(key) for key in path)] = float(value)
    return found


def _chosen(output: dict[tuple[int, ...], float], wanted: Specification) -> list[tuple[int, ...]]:
    """Which outputs are explained."""
    if wanted.indices:
        chosen = [tuple(one) if isinstance(one, list) else (one,) for one in wanted.indices]
        if unknown := [one for one in chosen if one not in output]:
            raise Refusal(400, "", f"The output has no index {list(unknown[0])}. Nothing was explained. Mend outputIndices.")
        return chosen
    ranked = sorted(output, key=lambda index: (-output[index], index))
    return ranked if wanted.top < 0 else ranked[: wanted.top]


def _shaped(instance: Json, players: list[Player], means: list[float]) -> Json:
    """Attributions in the shape of the features; of a group, one number."""
    shaped: Json = {player.name: copy.deepcopy(instance[player.name]) for player in players if not player.grouped}
    for player, mean in zip(players, means, strict=True):
        inside, path = shaped, (player.name,) if player.grouped else player.paths[0]
        for key in path[:-1]:
            inside = inside[key]  # type: ignore[index]
        inside[path[-1]] = mean  # type: ignore[index]
    return shaped


def _label(prediction: Any, index: tuple[int, ...], labels: Json) -> str:
    """The name of an output, from the prediction or from the specification's list."""
    key = labels.get("displayNameMappingKey")
    names = prediction.get(key) if key and isinstance(prediction, dict) else labels.get("indexDisplayNameMapping")
    for position in index:
        names = names[position] if isinstance(names, list) and position < len(names) else None
    return names if isinstance(names, str) else ""
