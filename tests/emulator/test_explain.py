"""Explanations: attributions are Shapley values of the model's own answers, and what cannot be computed is refused."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from emulator.behaviours import Refusal
from emulator.engines import explanations
from tests.emulator.test_models_and_endpoints import deploy, endpoint, uploaded

if TYPE_CHECKING:
    from tests.emulator.conftest import Local


def specification(inputs: dict[str, Any], paths: int = 10, outputs: Any = None, **parameters: Any) -> dict[str, Any]:
    parameters = {"sampledShapleyAttribution": {"pathCount": paths}, **parameters}
    return {"parameters": parameters, "metadata": {"inputs": inputs, "outputs": outputs or {"score": {}}}}


def explained(instance: Any, model: Any, given: dict[str, Any], override: Any = None) -> tuple[list[dict[str, Any]], int]:
    """The attributions of a Python function's answer, and how often it was asked."""
    asked: list[Any] = []

    async def ask(instances: list[Any]) -> list[Any]:
        asked.extend(instances)
        return [model(**one) for one in instances]

    wanted = explanations.specification(given, override or {})
    work = explanations.explain(ask, instance, model(**instance), wanted)
    try:
        work.send(None)
    except StopIteration as end:
        return end.value["attributions"], len(asked)
    raise AssertionError("nothing is awaited but answers, which are there")


def served(local: Local, formula: str, spec: Any) -> str:
    """An endpoint whose model answers a formula of its features."""
    model, _ = uploaded(local, FORMULA=formula)
    name = endpoint(local)
    body = {
        "deployedModel": {"model": model, "explanationSpec": spec, "dedicatedResources": {"machineSpec": {}}},
        "trafficSplit": {"0": 100},
    }
    status, operation = local.call("POST", f"{name}:deployModel", body)
    assert (status, "response" in operation) == (200, True), operation
    return name


def test_a_linear_models_attributions_are_its_terms(local: Local) -> None:
    name = served(local, "{'score': 3 * a + 2 * b - c + 5}", specification({"a": {}, "b": {"inputBaselines": [1.0]}, "c": {}}))
    status, answer = local.call("POST", f"{name}:explain", {"instances": [{"a": 2, "b": 4, "c": 1}, {"a": 0, "b": 1, "c": 0}]})
    assert status == 200, answer
    assert answer["predictions"] == [{"score": 18}, {"score": 7}]
    first, second = (one["attributions"] for one in answer["explanations"])
    assert first == [
        {
            "baselineOutputValue": 7.0,
            "instanceOutputValue": 18.0,
            "featureAttributions": {"a": 6.0, "b": 6.0, "c": -1.0},
            "approximationError": 0.0,
            "outputName": "score",
        }
    ]
    assert second[0]["featureAttributions"] == {"a": 0.0, "b": 0.0, "c": 0.0}
    assert answer["deployedModelId"] == local.call("GET", name)[1]["deployedModels"][0]["id"]


def test_a_product_is_shared_as_shapley_does() -> None:
    # f = a b + a c + a b c at (1, 2, 3), from zero: a pair shares its product by halves, the three by thirds: 2 + 3 + 6 in all.
    attributions, asked = explained(
        {"a": 1, "b": 2, "c": 3}, lambda a, b, c: {"score": a * b + a * c + a * b * c}, specification({"a": {}, "b": {}, "c": {}}, paths=6)
    )
    assert attributions[0]["featureAttributions"] == pytest.approx({"a": 1 + 1.5 + 2, "b": 1 + 2, "c": 1.5 + 2})
    assert attributions[0]["approximationError"] == 0.0
    # Every coalition but the whole, which is the prediction itself.
    assert asked == 2**3 - 1


def test_sampled_attributions_sum_to_the_change_and_come_nearer_with_more_paths() -> None:
    features = {f"x{number}": number + 1 for number in range(7)}

    def model(**given: float) -> dict[str, float]:
        values = list(given.values())
        return {"score": sum(one * two for one, two in itertools.pairwise(values)) + max(values)}

    def exact() -> dict[str, float]:
        found = dict.fromkeys(features, 0.0)
        orders = list(itertools.permutations(features))
        for order in orders:
            taken = dict.fromkeys(features, 0)
            before = model(**taken)["score"]
            for name in order:
                taken[name] = features[name]
                after = model(**taken)["score"]
                found[name] += (after - before) / len(orders)
                before = after
        return found

    truth = exact()
    errors, told = [], []
    for paths in (2, 50):
        (attribution,), _ = explained(features, model, specification({name: {} for name in features}, paths))
        values = attribution["featureAttributions"]
        assert sum(values.values()) == pytest.approx(attribution["instanceOutputValue"] - attribution["baselineOutputValue"])
        errors.append(max(abs(values[name] - truth[name]) for name in features))
        told.append(attribution["approximationError"])
    assert errors[1] < errors[0]
    assert 0 < told[1] < told[0]


def test_baselines_are_averaged_and_an_override_has_its_own() -> None:
    given = specification({"a": {"inputBaselines": [0, 2]}, "b": {}})
    model = lambda a, b: {"score": a * a + b}  # noqa: E731
    (attribution,), _ = explained({"a": 3, "b": 1}, model, given)
    assert (attribution["featureAttributions"], attribution["baselineOutputValue"]) == ({"a": (9 + 5) / 2, "b": 1.0}, 2.0)
    override = {"metadata": {"inputs": {"a": {"inputBaselines": [3]}}}, "parameters": {"sampledShapleyAttribution": {"pathCount": 2}}}
    (attribution,), _ = explained({"a": 3, "b": 1}, model, given, override)
    assert attribution["featureAttributions"] == {"a": 0.0, "b": 1.0}


def test_lists_and_objects_have_attributions_of_their_shape_and_groups_have_one() -> None:
    model = lambda pair, place, x, y: {"score": pair[0] + 2 * pair[1] + place["north"] + x * y}  # noqa: E731
    inputs = {"pair": {}, "place": {}, "x": {"groupName": "size"}, "y": {"groupName": "size"}}
    (attribution,), _ = explained({"pair": [1, 2], "place": {"north": 3}, "x": 2, "y": 5}, model, specification(inputs, paths=24))
    assert attribution["featureAttributions"] == {"pair": [1.0, 4.0], "place": {"north": 3.0}, "size": 10.0}


def test_of_many_outputs_the_largest_is_explained_unless_others_are_asked_for() -> None:
    model = lambda a: {"classes": [a, 3 * a, 2 * a], "names": ["low", "high", "middle"]}  # noqa: E731
    outputs = {"classes": {"displayNameMappingKey": "names"}}

    def found(**parameters: Any) -> list[tuple[list[int], str, float]]:
        attributions, _ = explained({"a": 1}, model, specification({"a": {}}, 1, outputs, **parameters))
        return [(one["outputIndex"], one["outputDisplayName"], one["featureAttributions"]["a"]) for one in attributions]

    assert found() == [([1], "high", 3.0)]
    assert found(topK=2) == [([1], "high", 3.0), ([2], "middle", 2.0)]
    assert len(found(topK=-1)) == 3
    assert found(outputIndices=[0]) == [([0], "low", 1.0)]


SHAPLEY = {"sampledShapleyAttribution": {"pathCount": 5}}
WHOLE: dict[str, Any] = {"inputs": {"a": {}}, "outputs": {"score": {}}}


@pytest.mark.parametrize(
    ("given", "override", "said"),
    [
        ({}, {}, "no explanationSpec"),
        ({"parameters": {"integratedGradientsAttribution": {"stepCount": 5}}}, {}, "Integrated gradients needs the model's gradients"),
        ({"parameters": {"xraiAttribution": {"stepCount": 5}}}, {}, "XRAI needs the model's gradients"),
        ({"parameters": {"examples": {}}}, {}, "examples"),
        ({"parameters": {"sampledShapleyAttribution": {"pathCount": 51}}, "metadata": WHOLE}, {}, "not 1 to 50"),
        ({"parameters": SHAPLEY, "metadata": {"inputs": {}, "outputs": {}}}, {}, "needs inputs and one output"),
        ({"parameters": SHAPLEY, "metadata": WHOLE}, {"metadata": {"inputs": {"z": {}}}}, "names the feature 'z'"),
        ({"parameters": SHAPLEY, "metadata": WHOLE}, {"parameters": {"xraiAttribution": {"stepCount": 5}}}, "XRAI"),
    ],
)
def test_what_cannot_be_explained_is_refused_with_the_reason(given: Any, override: Any, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        explanations.specification(given, override)


@pytest.mark.parametrize(
    ("instance", "spec"),
    [
        ({"b": 1}, specification({"a": {}})),
        ([1], specification({"a": {}})),
        ({"a": 1}, specification({"a": {}}, outputs={"none": {}})),
        ({"a": 1}, specification({"a": {}}, outputs={"inner": {}})),
        ({"a": [1, 2]}, specification({"a": {"inputBaselines": [[1]]}})),
        ({"a": 1}, specification({"a": {"inputBaselines": [[1]]}})),
        ({"a": 1}, specification({"a": {}}, outputIndices=[7])),
        ({"a": 1}, specification({"a": {}}, outputIndices=[{"a": 1}])),
    ],
)
def test_an_instance_that_does_not_fit_its_specification_is_a_clients_mistake(local: Local, instance: Any, spec: Any) -> None:
    name = served(local, "{'score': 1.0, 'inner': {'b': 1.0}}", spec)
    status, answer = local.call("POST", f"{name}:explain", {"instances": [instance]})
    assert (status, "othing was explained" in answer["error"]["message"]) == (400, True), answer


def test_a_deployed_model_that_is_named_explains_whatever_the_traffic_is(local: Local) -> None:
    name = served(local, "{'score': a}", specification({"a": {}}))
    model, _ = uploaded(local, FORMULA="{'score': 2 * a}")
    (first,) = local.call("GET", name)[1]["deployedModels"]
    second = deploy(local, name, model, {first["id"]: 100})["response"]["deployedModel"]["id"]
    status, answer = local.call("POST", f"{name}:explain", {"instances": [{"a": 1}], "deployedModelId": second})
    assert (status, "no explanationSpec" in answer["error"]["message"]) == (400, True)
    _, answer = local.call("POST", f"{name}:explain", {"instances": [{"a": 1}], "deployedModelId": first["id"]})
    assert answer["explanations"][0]["attributions"][0]["featureAttributions"] == {"a": 1.0}
    assert local.call("POST", f"{name}:explain", {"instances": [{"a": 1}], "deployedModelId": "7"})[0] == 404
