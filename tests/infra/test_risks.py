"""Every mistake of the corpus is found by the rule that it names, and nothing is found where none was made."""

import datetime
import shutil
from pathlib import Path

import pytest
import yaml

from environments import ConfigurationError, loading
from infra.policies import scanner, waivers
from infra.policies.review import broken
from infra.policies.rules import RULES
from infra.policies.subject import SynthesisedStack
from tests.infra.risks import Risk, put, risks, taken

TODAY = datetime.date(2026, 11, 27)
RISKS = list(risks())
OURS = [risk for risk in RISKS if risk.rule and not risk.rule.startswith("CKV")]
CHECKOVS = [risk for risk in RISKS if risk.rule.startswith("CKV")]
FILES = [risk for risk in RISKS if risk.file]


def name(risk: Risk) -> str:
    return risk.what.replace(" ", "-")


def test_the_corpus_is_large_and_says_nothing_twice() -> None:
    assert len(RISKS) >= 40
    assert len({risk.what for risk in RISKS}) == len(RISKS)
    assert {risk.rule for risk in OURS} <= {policy.id for policy in RULES}


@pytest.mark.parametrize("risk", OURS, ids=name)
def test_a_mistake_is_found_by_the_rule_that_it_names(stacks: dict[str, SynthesisedStack], risk: Risk) -> None:
    clean = stacks[risk.stack]
    before = {(found.rule, found.address) for found in broken([clean])}
    after = {(found.rule, found.address) for found in broken([taken(risk, clean)])}
    assert risk.rule in {rule for rule, _ in after - before}


@pytest.mark.parametrize("risk", OURS, ids=name)
def test_no_waiver_hides_the_mistake(stacks: dict[str, SynthesisedStack], risk: Risk) -> None:
    clean = stacks[risk.stack]
    opened = waivers.judge(broken([taken(risk, clean)]), waivers.load(), TODAY).open
    assert risk.rule in {found.rule for found in opened}


def test_checkov_finds_what_is_left_to_it(stacks: dict[str, SynthesisedStack]) -> None:
    # One run for all: each mistake in a folder of its own, beside the clean stack.
    changed = {f"risk-{number}": risk for number, risk in enumerate(CHECKOVS)}
    scan = scanner.scan(
        [
            *(taken(risk, stacks[risk.stack], id_) for id_, risk in changed.items()),
            *(stacks[id_] for id_ in sorted({risk.stack for risk in CHECKOVS})),
        ]
    )
    found = {(finding.stack, finding.rule, finding.address) for finding in scan.findings}
    unseen = [
        risk.what
        for id_, risk in changed.items()
        if not any(stack == id_ and rule == risk.rule and (risk.stack, rule, address) not in found for stack, rule, address in found)
    ]
    assert unseen == []


def test_nothing_is_found_where_no_mistake_was_made(stacks: dict[str, SynthesisedStack]) -> None:
    judged = waivers.judge(broken(list(stacks.values())), waivers.load(), TODAY)
    assert [str(found) for found in judged.open] == []


@pytest.mark.parametrize("risk", FILES, ids=name)
def test_a_wrong_file_is_refused_before_anything_is_synthesised(risk: Risk, tmp_path: Path) -> None:
    for path in loading.HERE.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    loading.load_all(tmp_path)
    file = tmp_path / f"{risk.file}.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    for place, value in risk.set.items():
        put(content, place, value)
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=risk.refused):
        loading.load_all(tmp_path)
