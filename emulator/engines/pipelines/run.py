"""Schedules one pipeline: a task of each DAG starts as soon as what it depends on has ended."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from typing import Any

from emulator.engines.pipelines.journal import Journal
from emulator.engines.pipelines.placeholders import Filling, PlaceholderError
from emulator.engines.pipelines.step import Job, Steps
from emulator.engines.pipelines.tasks import CONTAINER, FINAL, SUCCESSFUL, Task, TaskCancelled, TaskFailed, Values
from emulator.engines.pipelines.values import typed
from emulator.expressions import ExpressionError, holds

Json = dict[str, Any]

SELECTOR = re.compile(r'parseJson\(string_value\)((?:\["[^"]*"\])*)')
WITHOUT_LIMIT = 10**6


class Run:
    """One execution of a compiled specification.

    Args:
        job: What to run.
        steps: Executes the containers.
        journal: What its tasks have come to, also before a kill.
        changed: Told of every task that entered a state.
    """

    def __init__(self, job: Job, steps: Steps, journal: Journal, changed: Callable[[Task], None]) -> None:
        self.job = job
        self.steps = steps
        self.journal = journal
        self.changed = changed
        self.root = Task(job.id, kind="system.Run")
        journal.restore(self.root)
        self.tasks = [self.root]
        self.cancelled = False
        self._running: set[asyncio.Task[Values]] = set()

    async def execute(self) -> None:
        """Run to the end; the outcome is the state of the root task."""
        try:
            inputs = self._arguments()
            self.root.inputs = inputs
            self._enter(self.root, "RUNNING")
            self.root.outputs = await self._dag(self.job.spec["root"], inputs, self.root)
            self._enter(self.root, "SUCCEEDED")
        except TaskFailed as failure:
            self._enter(self.root, "FAILED", str(failure))
        except TaskCancelled:
            self._enter(self.root, "CANCELLED", "The pipeline was cancelled.")

    def cancel(self) -> None:
        """Stop running steps and start no others, but for exit handlers."""
        self.cancelled = True
        for running in self._running:
            running.cancel()

    def _arguments(self) -> Values:
        definitions = self.job.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        given = self.job.parameters
        unknown = sorted(given.keys() - definitions.keys())
        missing = sorted(
            name for name, d in definitions.items() if name not in given and "defaultValue" not in d and not d.get("isOptional")
        )
        if unknown or missing:
            faults = [f"unknown parameters {unknown}"] * bool(unknown) + [f"missing parameters {missing}"] * bool(missing)
            raise TaskFailed(f"{' and '.join(faults)}; the pipeline has {sorted(definitions)}")
        return Values(_with_defaults(given, definitions), {})

    def _enter(self, task: Task, state: str, error: str = "") -> None:
        task.become(state, error)
        self.changed(task)
        self.journal.write(task)

    def _new(self, name: str, parent: Task, exits: bool) -> Task:
        task = Task(name, parent, exits or parent.exits)
        self.journal.restore(task)
        self.tasks.append(task)
        if task.state not in FINAL:
            self._enter(task, "PENDING")
        return task

    async def _dag(self, component: Json, inputs: Values, parent: Task) -> Values:
        """Run every task of a DAG and select its outputs."""
        specs: dict[str, Json] = component["dag"].get("tasks", {})
        try:
            TopologicalSorter({name: spec.get("dependentTasks", []) for name, spec in specs.items()}).prepare()
        except CycleError as cycle:
            raise TaskFailed(f"tasks wait for one another: {' → '.join(cycle.args[1])}") from None
        tasks = {name: self._new(name, parent, _is_exit(spec)) for name, spec in specs.items()}
        ended = {name: asyncio.Event() for name in specs}

        async def follow(name: str) -> None:
            for upstream in specs[name].get("dependentTasks", []):
                await ended[upstream].wait()
            try:
                await self._task(specs[name], tasks[name], tasks, inputs)
            finally:
                ended[name].set()

        await _all(follow(name) for name in specs)
        states = {task.state for task in tasks.values()}
        if self.cancelled and not parent.exits:
            raise TaskCancelled
        if "FAILED" in states:
            failed = [f"{task.name} ({task.error})" for task in tasks.values() if task.state == "FAILED"]
            raise TaskFailed(f"failed tasks: {', '.join(failed)}")
        return _selected(component["dag"].get("outputs", {}), tasks)

    async def _task(self, spec: Json, task: Task, siblings: dict[str, Task], inputs: Values) -> None:
        """Decide whether a task runs, run it, and record how it ended; one that had ended before a kill stays as it is."""
        if task.state in FINAL:
            return
        upstream = [siblings[name].state for name in spec.get("dependentTasks", [])]
        policy = spec.get("triggerPolicy", {})
        stopped = self.job.fail_fast and any(sibling.state == "FAILED" for sibling in self.tasks)
        if self.cancelled and not task.exits:
            self._enter(task, "CANCELLED")
            return
        if policy.get("strategy") != "ALL_UPSTREAM_TASKS_COMPLETED" and (stopped or any(s not in SUCCESSFUL for s in upstream)):
            self._enter(task, "NOT_TRIGGERED")
            return
        try:
            component = self.job.spec["components"][spec["componentRef"]["name"]]
            task.inputs = self._inputs(spec, component, siblings, inputs, task)
            named = {f"inputs.parameter_values['{name}']": value for name, value in task.inputs.parameters.items()}
            if "condition" in policy and not holds(policy["condition"], named):
                self._enter(task, "NOT_TRIGGERED")
                return
            task.outputs = await self._body(spec, component, task)
            if task.state not in FINAL:
                self._enter(task, "SUCCEEDED")
        except TaskCancelled:
            self._enter(task, "CANCELLED")
        except (TaskFailed, ExpressionError, PlaceholderError) as failure:
            self._enter(task, "FAILED", str(failure))

    async def _body(self, spec: Json, component: Json, task: Task) -> Values:
        iterator = spec.get("parameterIterator") or spec.get("artifactIterator")
        if iterator:
            self._enter(task, "RUNNING")
            return await self._loop(spec, iterator, component, task)
        if "dag" in component:
            self._enter(task, "RUNNING")
            return await self._dag(component, task.inputs, task)
        return await self._step(spec, component, task)

    async def _step(self, spec: Json, component: Json, task: Task) -> Values:
        """Run a container; `cancel` ends it unless it belongs to an exit handler."""
        task.kind = CONTAINER
        running = asyncio.ensure_future(self.steps.execute(self.job, spec, component, task, self._enter))
        if task.exits:
            return await running
        self._running.add(running)
        try:
            return await running
        except asyncio.CancelledError:
            if self.cancelled and running.cancelled():
                raise TaskCancelled from None
            raise
        finally:
            self._running.discard(running)

    async def _loop(self, spec: Json, iterator: Json, component: Json, task: Task) -> Values:
        """Run a DAG once for each item; its outputs become lists in the order of the items."""
        item_input = iterator["itemInput"]
        items = _items(iterator["items"], task.inputs)
        limit = asyncio.Semaphore(spec.get("iteratorPolicy", {}).get("parallelismLimit") or WITHOUT_LIMIT)
        definitions = component.get("inputDefinitions", {}).get("parameters", {})

        async def turn(index: int, item: Any) -> Task:
            one = self._new(f"{task.name}-{index}", task, False)
            one.inputs = Values(dict(task.inputs.parameters), dict(task.inputs.artifacts))
            if "inputArtifact" in iterator["items"]:
                one.inputs.artifacts[item_input] = [item]
            else:
                one.inputs.parameters[item_input] = typed(item, definitions.get(item_input, {}).get("parameterType"))
            async with limit:
                self._enter(one, "RUNNING")
                try:
                    one.outputs = await self._dag(component, one.inputs, one)
                    self._enter(one, "SUCCEEDED")
                except TaskFailed as failure:
                    self._enter(one, "FAILED", str(failure))
                except TaskCancelled:
                    self._enter(one, "CANCELLED")
            return one

        turns = await _all(turn(index, item) for index, item in enumerate(items))
        if any(one.state == "CANCELLED" for one in turns):
            raise TaskCancelled
        failed = [f"{one.name} ({one.error})" for one in turns if one.state == "FAILED"]
        if failed:
            raise TaskFailed(f"failed iterations: {', '.join(failed)}")
        outputs = component.get("dag", {}).get("outputs", {})
        return Values(
            {key: [one.outputs.parameters.get(key) for one in turns] for key in outputs.get("parameters", {})},
            {key: [a for one in turns for a in one.outputs.artifacts.get(key, [])] for key in outputs.get("artifacts", {})},
        )

    def _inputs(self, spec: Json, component: Json, siblings: dict[str, Task], outer: Values, task: Task) -> Values:
        """What a task is given: constants, inputs of its DAG, outputs of its siblings, defaults."""
        definitions = component.get("inputDefinitions", {}).get("parameters", {})
        found = Values()
        for name, source in spec.get("inputs", {}).get("parameters", {}).items():
            present, value = _parameter(source, siblings, outer, self.job.name)
            if present:
                found.parameters[name] = _select(value, source.get("parameterExpressionSelector", ""))
        for name, source in spec.get("inputs", {}).get("artifacts", {}).items():
            if "taskOutputArtifact" in source:
                output = source["taskOutputArtifact"]
                artifacts = siblings[output["producerTask"]].outputs.artifacts.get(output["outputArtifactKey"])
            else:
                artifacts = outer.artifacts.get(source["componentInputArtifact"])
            if artifacts is not None:
                found.artifacts[name] = artifacts
        values = _with_defaults(found.parameters, definitions)
        # Arguments written as f-strings, also inside lists and dictionaries, refer to sibling inputs.
        filling = Filling({"inputs": {"parameterValues": values, "artifacts": {}}, "outputs": {}}, "", self.job.variables(task))
        found.parameters = {name: _filled(value, filling) for name, value in values.items()}
        return found


async def _all(work: Any) -> list[Any]:
    """Results of all; when the caller is cancelled, all are."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _is_exit(spec: Json) -> bool:
    return any("taskFinalStatus" in source for source in spec.get("inputs", {}).get("parameters", {}).values())


def _with_defaults(given: Json, definitions: Json) -> Json:
    """`given` and the defaults of what is missing, each in its declared type."""
    defaults = {name: d["defaultValue"] for name, d in definitions.items() if "defaultValue" in d}
    return {name: typed(value, definitions.get(name, {}).get("parameterType")) for name, value in {**defaults, **given}.items()}


def _parameter(source: Json, siblings: dict[str, Task], outer: Values, job: str) -> tuple[bool, Any]:
    """Whether a parameter's source has a value, and the value."""
    if "runtimeValue" in source:
        return True, source["runtimeValue"].get("constant")
    if "componentInputParameter" in source:
        name = source["componentInputParameter"]
        return name in outer.parameters, outer.parameters.get(name)
    if "taskOutputParameter" in source:
        output = source["taskOutputParameter"]
        values = siblings[output["producerTask"]].outputs.parameters
        return output["outputParameterKey"] in values, values.get(output["outputParameterKey"])
    if "taskFinalStatus" in source:
        producer = siblings[source["taskFinalStatus"]["producerTask"]]
        error = {"code": 9, "message": producer.error} if producer.error else {}
        return True, {"state": producer.state, "pipelineJobResourceName": job, "pipelineTaskName": producer.name, "error": error}
    raise TaskFailed(f"a parameter has the source {list(source)}, which the local engine does not know")


def _select(value: Any, selector: str) -> Any:
    """The part of a value that `parseJson(string_value)["a"]["b"]` names."""
    if not selector:
        return value
    match = SELECTOR.fullmatch(selector)
    if match is None:
        raise TaskFailed(f"the selector {selector!r} is not known to the local engine")
    selected = json.loads(value) if isinstance(value, str) else value
    for key in re.findall(r'\["([^"]*)"\]', match[1]):
        if not isinstance(selected, dict) or key not in selected:
            raise TaskFailed(f"the item {json.dumps(value)} has no {key!r}")
        selected = selected[key]
    return selected


def _filled(value: Any, filling: Filling) -> Any:
    """A value with the placeholders in its strings filled."""
    if isinstance(value, str):
        return filling.string(value)
    if isinstance(value, list):
        return [_filled(item, filling) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, filling) for key, item in value.items()}
    return value


def _items(source: Json, inputs: Values) -> list[Any]:
    """The items of a loop."""
    if "raw" in source:
        return list(json.loads(source["raw"]))
    if "inputArtifact" in source:
        return list(inputs.artifacts[source["inputArtifact"]])
    return list(typed(inputs.parameters[source["inputParameter"]], "LIST"))


def _selected(outputs: Json, tasks: dict[str, Task]) -> Values:
    """The outputs of a DAG: each is the first that exists among its candidates (`OneOf` has several)."""
    found = Values()
    for name, source in outputs.get("parameters", {}).items():
        one_of = source.get("valueFromOneof", {}).get("parameterSelectors", [])
        for selector in one_of or [source["valueFromParameter"]]:
            values = tasks[selector["producerSubtask"]].outputs.parameters
            if name not in found.parameters and selector["outputParameterKey"] in values:
                found.parameters[name] = values[selector["outputParameterKey"]]
    for name, source in outputs.get("artifacts", {}).items():
        for selector in source.get("artifactSelectors", []):
            artifacts = tasks[selector["producerSubtask"]].outputs.artifacts
            if name not in found.artifacts and selector["outputArtifactKey"] in artifacts:
                found.artifacts[name] = artifacts[selector["outputArtifactKey"]]
    return found
