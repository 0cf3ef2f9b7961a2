import pytest

from emulator.engines.pipelines.placeholders import Filling, PlaceholderError
from emulator.engines.pipelines.values import typed
from emulator.expressions import ExpressionError, holds

INPUTS = {"n": 3, "x": 0.5, "s": "a'b", "flag": True, "item": "2", "pipelinechannel--t-Output": "yes"}
PARAMETERS = {f"inputs.parameter_values['{name}']": value for name, value in INPUTS.items()}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("inputs.parameter_values['n'] == 3", True),
        ("int(inputs.parameter_values['n']) > 3 || inputs.parameter_values['flag'] == true", True),
        ("!(int(inputs.parameter_values['n']) > 1) && int(inputs.parameter_values['n']) > 0", False),
        ("inputs.parameter_values['x'] >= 0.5", True),
        ("inputs.parameter_values['n'] > -1", True),
        ("inputs.parameter_values['s'] == 'a\\'b'", True),
        ("inputs.parameter_values['pipelinechannel--t-Output'] != 'no'", True),
        # The fields of a loop item are strings, whatever they are compared with.
        ("inputs.parameter_values['item'] == 2", True),
        ("string(inputs.parameter_values['n']) == '3'", True),
    ],
)
def test_a_condition_is_decided_as_it_reads(condition: str, expected: bool) -> None:
    assert holds(condition, PARAMETERS) is expected


@pytest.mark.parametrize(
    "condition",
    [
        "inputs.parameter_values['missing'] == 1",
        "size(inputs.parameter_values['s']) == 3",
        "1 ==",
        "1 == 1 1",
        "(1 == 1",
        "1 ? 2 : 3",
        "null < 1",
        "int('a')",
        "-'a'",
    ],
)
def test_a_condition_beyond_the_known_language_is_refused(condition: str) -> None:
    with pytest.raises(ExpressionError):
        holds(condition, PARAMETERS)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (3.0, "NUMBER_INTEGER", 3),
        ("3", "NUMBER_INTEGER", 3),
        (3, "NUMBER_DOUBLE", 3.0),
        ([1.0, {"a": 2.0, "b": 1.5}], "LIST", [1, {"a": 2, "b": 1.5}]),
        ('{"a": 1}', "STRUCT", {"a": 1}),
        ("True", "BOOLEAN", True),
        ({"a": 1.0}, "STRING", '{"a": 1}'),
        (None, "STRING", None),
    ],
)
def test_numbers_of_a_specification_get_their_type_back(value: object, kind: str, expected: object) -> None:
    found = typed(value, kind)
    assert found == expected
    assert type(found) is type(expected)


def test_placeholders_of_a_command_line_are_filled() -> None:
    artifact = {"uri": "gs://b/o", "metadata": {"rows": 3.0}}
    inputs = {"parameterValues": {"n": 3, "empty": None}, "artifacts": {"data": {"artifacts": [artifact]}}}
    outputs = {"parameters": {"out": {"outputFile": "/x/out"}}, "artifacts": {}, "outputFile": "/x/executor_output.json"}
    filling = Filling({"inputs": inputs, "outputs": outputs}, "/mnt", {"pipeline_job_name": "job-1"})
    command = [
        "{{$.inputs.artifacts['data'].uri}}:{{$.inputs.artifacts['data'].path}}",
        "{{$.inputs.artifacts['data'].metadata['rows']}}",
        "{{$.outputs.parameters['out'].output_file}}",
        '{"Concat": ["n=", "{{$.inputs.parameters[\'n\']}}", "@{{$.pipeline_job_name}}"]}',
        '{"IfPresent": {"InputName": "n", "Then": ["--n", "{{$.inputs.parameters[\'n\']}}"]}}',
        '{"IfPresent": {"InputName": "empty", "Then": ["--empty"], "Else": ["--quiet"]}}',
    ]
    assert filling.command(command) == ["gs://b/o:/mnt/b/o", "3", "/x/out", "n=3@job-1", "--n", "3", "--quiet"]
    with pytest.raises(PlaceholderError, match="names nothing"):
        filling.string("{{$.inputs.parameters['other']}}")
