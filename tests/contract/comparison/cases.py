"""Small pipelines, a feature each. Sources: https://www.kubeflow.org/docs/components/pipelines/user-guides/."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output, PipelineTaskFinalStatus

IMAGE = "europe-west4-docker.pkg.dev/acme-gemini-local/images/pipelines"
component = dsl.component(base_image=IMAGE, install_kfp_package=False)
FLOATS = "it gives a step whole numbers as floats where they stand in a list, a dict or a text"
CONTAINERS = "it runs no container components without Docker"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A pipeline, its arguments, the outputs of its root, and why `kfp.local` gives others; empty where it gives the same."""

    pipeline: Any
    outputs: dict[str, Any]
    arguments: dict[str, Any] = field(default_factory=dict)
    differs: str = ""
    fails: bool = False
    """Whether the run fails; its outputs are then not looked at."""


CASES: dict[str, Case] = {}


def case(outputs: dict[str, Any], *, differs: str = "", fails: bool = False, **arguments: Any) -> Callable[[Any], Any]:
    """Adds the decorated pipeline to the cases."""

    def add_case(pipeline: Any) -> Any:
        CASES[pipeline.name] = Case(pipeline=pipeline, outputs=outputs, arguments=arguments, differs=differs, fails=fails)
        return pipeline

    return add_case


class Parts(NamedTuple):
    """Outputs of a pipeline."""

    quotient: int
    rest: int


class Doubled(NamedTuple):
    """Outputs of a pipeline that others call."""

    text: str
    file: Dataset


# Steps


@component
def add(a: int, b: int = 0) -> int:
    return a + b


@component
def glue(a: str, b: str = "") -> str:
    return a + b


@component
def show(value: list) -> str:  # type: ignore[type-arg]
    import json

    return json.dumps(value)


@component
def shown(a: str, b: int, c: float, d: bool, e: list, f: dict) -> str:  # type: ignore[type-arg]
    import json

    return json.dumps([[type(one).__name__, one] for one in (a, b, c, d, e, f)], sort_keys=True, ensure_ascii=False)


@component
def numbers(n: int) -> list:  # type: ignore[type-arg]
    return list(range(n))


@component
def texts(n: int) -> list:  # type: ignore[type-arg]
    return [str(number) for number in range(n)]


@component
def write(text: str, out: Output[Dataset]) -> None:
    with open(out.path, "w") as file:
        file.write(text)
    out.metadata["length"] = len(text)


@component
def read(given: Input[Artifact]) -> str:
    with open(given.path) as file:
        return file.read()


@component
def length(given: Input[Dataset]) -> str:
    return str(int(given.metadata["length"]))


@component
def join(given: Input[list[Dataset]]) -> str:
    found = []
    for one in given:
        with open(one.path) as file:
            found.append(file.read())
    return ",".join(found)


@component
def fail(message: str) -> str:
    raise RuntimeError(message)


@component
def flaky(path: str) -> str:
    import os

    with open(path, "a") as file:
        file.write("x")
    if os.path.getsize(path) < 3:
        raise RuntimeError("not yet")
    return "at last"


@component
def note(path: str, status: PipelineTaskFinalStatus) -> None:
    with open(path, "w") as file:
        file.write(status.state)


@component
def sign(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


@component
def optional(given: Optional[str] = None, count: int = 7, flag: bool = True) -> str:  # noqa: UP045
    return f"{given} {count} {flag}"


@component
def divide(a: int, b: int) -> NamedTuple("Parts", [("quotient", int), ("rest", int)]):  # type: ignore[valid-type]
    return (a // b, a % b)


@component
def measure(accuracy: float, metrics: Output[Metrics]) -> None:
    metrics.log_metric("accuracy", accuracy)


@component
def best(metrics: Input[Metrics]) -> float:
    return float(metrics.metadata["accuracy"])


@dsl.container_component
def shell(word: str, out: dsl.OutputPath(str), more: Optional[str] = None):  # type: ignore[no-untyped-def, valid-type] # noqa: UP045
    given = dsl.IfPresentPlaceholder(input_name="more", then=["with", more], else_=["without"])
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["sh", "-c"],
        args=['printf "%s " "$@" > "$0"', out, dsl.ConcatPlaceholder(["a=", word]), given],
    )


# Values


TEXT = "a \"quoted\" 'text', ü, {{not.a.placeholder}}\nand a line"


@case(
    {"Output": '[["str", "ü"], ["int", 3], ["float", 0.5], ["bool", true], ["list", ["a", "b"]], ["dict", {"k": "v"}]]'},
    a="ü", b=3, c=0.5, d=True, e=["a", "b"], f={"k": "v"},
)  # fmt: skip
@dsl.pipeline
def every_type(a: str, b: int, c: float, d: bool, e: list, f: dict) -> str:  # type: ignore[type-arg]
    return shown(a=a, b=b, c=c, d=d, e=e, f=f).output


@case(
    {"Output": '[["str", ""], ["int", -1], ["float", 2.0], ["bool", false], ["list", [1, [2, 2.5]]], ["dict", {"k": {"n": 1}}]]'},
    differs=FLOATS,
)
@dsl.pipeline
def numbers_inside() -> str:
    return shown(a="", b=-1, c=2.0, d=False, e=[1, [2, 2.5]], f={"k": {"n": 1}}).output


@case({"Output": f"{TEXT}!"}, text=TEXT)
@dsl.pipeline
def text_is_only_text(text: str) -> str:
    return glue(a=text, b="!").output


@case({"Output": "None 7 True"})
@dsl.pipeline
def defaults() -> str:
    return optional().output


@case({"Output": "None 9 False"}, count=9, differs="it does not know the value of an optional input that was not given")
@dsl.pipeline
def defaults_of_the_pipeline(count: int = 1, given: Optional[str] = None) -> str:  # noqa: UP045
    return optional(given=given, count=count, flag=False).output


@case({"quotient": 3, "rest": 2})
@dsl.pipeline
def several_outputs() -> Parts:
    parts = divide(a=17, b=5)
    return Parts(parts.outputs["quotient"], parts.outputs["rest"])


@case({"Output": "xa-1 b"}, differs=FLOATS)
@dsl.pipeline
def text_around_an_output() -> str:
    return glue(a=f"x{glue(a='a').output}-{add(a=1).output}", b=" b").output


# Control flow


@case({"Output": "middle"}, n=3)
@dsl.pipeline
def one_branch_runs(n: int) -> str:
    with dsl.If(n > 5):
        big = glue(a="big")
    with dsl.Elif(n > 1):
        middle = glue(a="middle")
    with dsl.Else():
        small = glue(a="small")
    return dsl.OneOf(big.output, middle.output, small.output)


@case({"Output": "else"}, name="b", share=0.25, on=False)
@dsl.pipeline
def conditions_on_each_type(name: str, share: float, on: bool) -> str:
    with dsl.If(name == "a"):
        first = glue(a="name")
    with dsl.Elif(share >= 0.5):
        second = glue(a="share")
    with dsl.Elif(on == True):  # noqa: E712
        third = glue(a="on")
    with dsl.Else():
        fourth = glue(a="else")
    return dsl.OneOf(first.output, second.output, third.output, fourth.output)


@case({"Output": "inner"})
@dsl.pipeline
def conditions_within_conditions() -> str:
    made = add(a=2, b=3)
    with dsl.If(made.output == 5):
        with dsl.If(made.output != 4):
            inner = glue(a="inner")
        with dsl.Else():
            other = glue(a="other")
        chosen = dsl.OneOf(inner.output, other.output)
        last = glue(a=chosen)
    with dsl.Else():
        outer = glue(a="outer")
    return dsl.OneOf(last.output, outer.output)


@case({"Output": "small"}, n=0, differs="it counts the artifacts of the branches that did not run")
@dsl.pipeline
def one_artifact_of_several(n: int) -> str:
    with dsl.If(n > 1):
        big = write(text="big")
    with dsl.Else():
        small = write(text="small")
    return read(given=dsl.OneOf(big.outputs["out"], small.outputs["out"])).output


@case({"Output": '["ax", "bx", "cx"]'})
@dsl.pipeline
def a_loop_over_texts() -> str:
    with dsl.ParallelFor(["a", "b", "c"], parallelism=1) as one:
        made = glue(a=one, b="x")
    return show(value=dsl.Collected(made.output)).output


@case({"Output": '["0!", "1!", "2!"]'}, n=3)
@dsl.pipeline
def a_loop_over_an_output(n: int) -> str:
    with dsl.ParallelFor(texts(n=n).output) as one:
        made = glue(a=one, b="!")
    return show(value=dsl.Collected(made.output)).output


@case({"Output": "[10, 11, 12]"}, n=3, differs=FLOATS)
@dsl.pipeline
def a_loop_over_numbers(n: int) -> str:
    with dsl.ParallelFor(numbers(n=n).output) as one:
        made = add(a=one, b=10)
    return show(value=dsl.Collected(made.output)).output


@case({"Output": '["1x", "2y"]'}, rows=[{"a": "1", "b": "x"}, {"a": "2", "b": "y"}])
@dsl.pipeline
def a_loop_over_dicts(rows: list) -> str:  # type: ignore[type-arg]
    with dsl.ParallelFor(rows) as row:
        made = glue(a=row.a, b=row.b)
    return show(value=dsl.Collected(made.output)).output


@case({"Output": '[["ax", "ay"], ["bx", "by"]]'})
@dsl.pipeline
def a_loop_in_a_loop() -> str:
    with dsl.ParallelFor(["a", "b"]) as outer, dsl.ParallelFor(["x", "y"]) as inner:
        made = glue(a=outer, b=inner)
    return show(value=dsl.Collected(made.output)).output


@case({"Output": "[]"}, rows=[], differs="it forgets a loop that has no item")
@dsl.pipeline
def a_loop_over_nothing(rows: list) -> str:  # type: ignore[type-arg]
    with dsl.ParallelFor(rows) as row:
        made = glue(a=row)
    return show(value=dsl.Collected(made.output)).output


@case({"Output": "a,b,c"})
@dsl.pipeline
def artifacts_of_a_loop() -> str:
    with dsl.ParallelFor(["a", "b", "c"]) as one:
        made = write(text=one)
    return join(given=dsl.Collected(made.outputs["out"])).output


@case({}, path="NOTE", differs="it compares the field of an item with a number and finds them different")
@dsl.pipeline
def a_condition_on_an_item(path: str) -> None:
    with dsl.ParallelFor([{"a": 1}, {"a": 2}]) as item, dsl.If(item.a == 2):
        sign(path=path, text="SUCCEEDED")


@dsl.pipeline
def doubled(text: str, times: int = 2) -> Doubled:
    twice = glue(a=text, b=text)
    file = write(text=twice.output)
    return Doubled(twice.output, file.outputs["out"])


@case({"Output": "ababab"}, text="ab")
@dsl.pipeline
def a_pipeline_in_a_pipeline(text: str) -> str:
    inner = doubled(text=text)
    return glue(a=read(given=inner.outputs["file"]).output, b=text).output


@case({"Output": '["aa", "bb"]'})
@dsl.pipeline
def a_pipeline_in_a_loop() -> str:
    with dsl.ParallelFor(["a", "b"]) as one:
        made = doubled(text=one)
    return show(value=dsl.Collected(made.outputs["text"])).output


# Artifacts


@case({"Output": "5"})
@dsl.pipeline
def metadata_goes_with_an_artifact() -> str:
    return length(given=write(text="hello").outputs["out"]).output


@case({"Output": 0.75})
@dsl.pipeline
def a_metric_is_read() -> float:
    return best(metrics=measure(accuracy=0.75).outputs["metrics"]).output


@case({"Output": "imported"}, uri="IMPORTED")
@dsl.pipeline
def an_artifact_is_imported(uri: str) -> str:
    imported = dsl.importer(artifact_uri=uri, artifact_class=Dataset, metadata={"length": 8})
    return read(given=imported.output).output


# Order, failure and exit


@case({"Output": "second"})
@dsl.pipeline
def order_without_data() -> str:
    first = glue(a="first")
    return glue(a="second").after(first).output


@case({}, path="NOTE")
@dsl.pipeline
def an_exit_handler_hears_of_success(path: str) -> None:
    with dsl.ExitHandler(note(path=path)):
        glue(a="done")


@case({}, path="NOTE", fails=True)
@dsl.pipeline
def an_exit_handler_hears_of_failure(path: str) -> None:
    with dsl.ExitHandler(note(path=path)):
        fail(message="no")


@case({}, path="NOTE", fails=True)
@dsl.pipeline
def a_step_minds_no_failure(path: str) -> None:
    sign(path=path, text="FAILED").after(fail(message="no")).ignore_upstream_failure()


@case({}, fails=True)
@dsl.pipeline
def a_failure_fails_the_run() -> None:
    glue(a=fail(message="no").output)


@case({"Output": "at last"}, path="TRIES")
@dsl.pipeline
def a_step_is_tried_again(path: str) -> str:
    return flaky(path=path).set_retry(3, backoff_duration="0s").output


@case({"Output": "a=x with y "}, differs=CONTAINERS)
@dsl.pipeline
def placeholders_of_a_container() -> str:
    return shell(word="x", more="y").outputs["out"]


@case({"Output": "a=x without "}, differs=CONTAINERS)
@dsl.pipeline
def placeholders_of_a_container_without_the_optional_one() -> str:
    return shell(word="x").outputs["out"]
