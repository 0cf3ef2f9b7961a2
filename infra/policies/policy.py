"""A policy: what it forbids, why, what mends it, where that is written down, and the function that finds it."""

import fnmatch
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from infra.policies.subject import Finding, Resource, SynthesisedStack, finding

Breach = tuple[Resource | None, str]
"""A resource (None: the stack as a whole), and what is wrong with it."""
OfStack = Callable[[SynthesisedStack], Iterable[Breach]]
OfResource = Callable[[Resource, SynthesisedStack], Iterable[str]]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One rule over a synthesised stack. Calling it finds what breaks it."""

    id: str
    title: str
    """The first line of the function's docstring: what always holds."""
    reason: str
    """What would happen otherwise."""
    remedy: str
    reference: str
    """The section of CIS Google Cloud Foundations 3.0.0 where there is one, and the page that says it."""
    breaches: OfStack

    def __call__(self, stack: SynthesisedStack) -> Iterator[Finding]:
        """What breaks this policy."""
        for resource, wrong in self.breaches(stack):
            yield finding(stack, resource, self.id, f"{wrong}; {self.reason}. {self.remedy}.")


def policy(id: str, *, reason: str, remedy: str, reference: str) -> Callable[[OfStack], Policy]:
    """Make a policy of a function that looks at a whole stack."""

    def made(function: OfStack) -> Policy:
        title = (function.__doc__ or "").partition("\n")[0]
        return Policy(id=id, title=title, reason=reason, remedy=remedy, reference=reference, breaches=function)

    return made


def of(*types: str, id: str, reason: str, remedy: str, reference: str) -> Callable[[OfResource], Policy]:
    """Make a policy of a function that looks at one resource of some types, each a glob such as `*_iam_member`."""

    def made(function: OfResource) -> Policy:
        def breaches(stack: SynthesisedStack) -> Iterator[Breach]:
            for type_, resources in stack.by_type.items():
                if any(fnmatch.fnmatchcase(type_, wanted) for wanted in types):
                    yield from ((resource, wrong) for resource in resources for wrong in function(resource, stack))

        breaches.__doc__ = function.__doc__
        return policy(id, reason=reason, remedy=remedy, reference=reference)(breaches)

    return made
