"""A pytest plugin that notes which calls the tests make and how they end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.evidence.report import Call, Outcome

MESSAGE_LIMIT = 500


class Recorder:
    """Collects a `Call` for each method that a test's marker `calls` names.

    Attributes:
        calls: in the order in which the tests ran.
        selected: whether some tests were left out by a selection.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.selected = False
        self._seconds: dict[str, float] = {}
        self._ends: dict[str, tuple[Outcome, str]] = {}

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Notes that not everything runs."""
        self.selected |= bool(items)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Notes a phase of a test: the first of set-up, call and tear-down that does not pass decides."""
        report: pytest.TestReport = yield  # type: ignore[assignment]
        self._seconds[item.nodeid] = self._seconds.get(item.nodeid, 0.0) + report.duration
        if report.outcome != "passed" and item.nodeid not in self._ends:
            self._ends[item.nodeid] = (report.outcome, _message(report, call))
        if report.when == "teardown":
            outcome, message = self._ends.get(item.nodeid, ("passed", ""))
            methods = dict.fromkeys(str(method) for marker in item.iter_markers("calls") for method in marker.args)
            seconds = round(self._seconds[item.nodeid], 3)
            self.calls += [Call(method=one, test=item.nodeid, outcome=outcome, seconds=seconds, message=message) for one in methods]
        return report  # type: ignore[return-value]


def _message(report: pytest.TestReport, call: pytest.CallInfo[None]) -> str:
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])[:MESSAGE_LIMIT]
    value = call.excinfo.value if call.excinfo else ""
    return f"{type(value).__name__}: {value}"[:MESSAGE_LIMIT]
