"""The review of plans that are not ours, or of ours without anything around them: files of `terraform show -json`, and nothing else."""

import datetime
from collections.abc import Sequence
from pathlib import Path

from infra.price.book import book
from infra.review import plan
from infra.review.accepted import load as load_accepted
from infra.review.blast import blast
from infra.review.cost import costs
from infra.review.report import PlannedStack, Report, Subject
from infra.review.review import Context, review
from releases.digest import of_changes


def of_files(files: Sequence[Path], today: datetime.date) -> Report:
    """Review some plans together, each named after its file.

    Args:
        files: what `terraform show -json` wrote.
        today: the day of the review, for the age of prices.

    Raises:
        PlanUnreadable: when one is no plan.
    """
    if twice := sorted({file.stem for file in files if [other.stem for other in files].count(file.stem) > 1}):
        raise plan.PlanUnreadable(f"two files are called {', '.join(twice)}, and a plan is named after its file. Rename one of them.")
    documents = {file.stem: plan.load(file) for file in files}
    plans = [plan.read(document, stack) for stack, document in documents.items()]
    resources = [resource for one in plans for resource in one.resources]
    stacks = tuple(PlannedStack(id=stack, plan=of_changes(document)) for stack, document in sorted(documents.items()))
    context = Context(
        today=today,
        subject=Subject(stacks=stacks),
        accepted=load_accepted(),
        cost=costs(resources, {one.stack: one.region for one in plans}, book(), today),
        blast=lambda findings: blast(resources, findings=findings),
    )
    return review(plans, context)
