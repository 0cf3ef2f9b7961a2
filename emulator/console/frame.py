"""The page around every view: title, navigation, style; which path is which view; and what a browser is told about it."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode

from emulator import dispatch
from emulator.behaviours import Response
from emulator.console import (
    access,
    bigquery,
    calls,
    cancel,
    datasets,
    endpoints,
    experiments,
    features,
    forms,
    inbox,
    jobs,
    keys,
    lineage,
    logs,
    models,
    overview,
    previews,
    pubsub,
    reset,
    resources,
    runs,
    schedules,
    send,
    storage,
)
from emulator.console.markup import Markup, element, join, link
from emulator.console.parts import NothingThere, Query, last

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.dispatch import Request

View = Callable[["Cloud", Query], Awaitable[Markup]]
Action = Callable[["Cloud", forms.Form], Awaitable[forms.Outcome]]

GROUPS: dict[str, dict[str, tuple[str, View]]] = {
    "Cloud": {
        "/": ("Overview", overview.view),
        "/resources": ("Resources", resources.view),
        "/calls": ("Calls", calls.view),
        "/operations": ("Operations", logs.operations),
        "/logs": ("Logs", logs.view),
        "/inbox": ("Inbox", inbox.view),
    },
    "Vertex AI": {
        "/runs": ("Pipeline runs", runs.view),
        "/jobs": ("Jobs", jobs.view),
        "/models": ("Models", models.view),
        "/endpoints": ("Endpoints", endpoints.view),
        "/datasets": ("Datasets", datasets.view),
        "/experiments": ("Experiments", experiments.view),
        "/features": ("Features", features.view),
    },
    "Data": {
        "/storage": ("Storage", storage.view),
        "/bigquery": ("BigQuery", bigquery.view),
        "/pubsub": ("Pub/Sub", pubsub.view),
        "/schedules": ("Scheduler", schedules.view),
    },
    "Security": {
        "/access": ("IAM policies", access.view),
        "/keys": ("Secrets and keys", keys.view),
        "/reset": ("Reset", reset.view),
    },
}
TABS = {path: tab for group in GROUPS.values() for path, tab in group.items()}
OTHERS: dict[str, tuple[str, View]] = {"/lineage": ("Lineage", lineage.view), "/send": ("Send", send.view)}
"""Pages that others lead to."""
VIEWS = {**TABS, **OTHERS}
ACTIONS: dict[str, Action] = {"/cancel": cancel.act, "/reset": reset.act, "/send": send.act}
"""All that a form can do."""
LIVE = {"/", "/runs", "/jobs", "/operations", "/features"}
"""Pages that are asked for again while something on them still moves."""
SUBJECTS = ("name", "object", "prefix", "bucket", "resource", "topic", "endpoint", "api", "kind", "service")
"""Parameters that name what a page is about, the closest first."""
STYLE = Markup((Path(__file__).parent / "style.css").read_text(encoding="utf-8"))
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
REFRESH_SECONDS = "5"


async def answer(request: Request, cloud: Cloud) -> Response:
    """The answer to a request of a browser. A GET changes nothing; a POST is one of the three actions.

    Args:
        request: Path, query and form.
        cloud: What is shown.
    """
    query = {name: values[-1] for name, values in parse_qs(request.query).items()}
    try:
        if request.http == "POST":
            status, title, content = await _done(request, cloud)
            return _response(status, _document("", title, cloud, content, query, moves=False))
        return await _shown(request, cloud, query)
    except NothingThere as error:
        said = join([element("p", str(error), class_="empty"), element("p", link("To the overview", "/"))])
        return _response(404, _document("", "Not found", cloud, said, query, moves=False))
    except Exception:
        cloud.log(dispatch.FAULTS, traceback.format_exc())
        said = element(
            "p",
            "This page failed; nothing was changed by it. The traceback is in the ",
            link("log", "/logs", resource=dispatch.FAULTS),
            ".",
        )
        return _response(500, _document("", "Failed", cloud, said, query, moves=False))


async def _done(request: Request, cloud: Cloud) -> forms.Outcome:
    fields, refused = forms.given(request)
    if request.path not in ACTIONS:
        raise NothingThere(f"There is no action {request.path}.")
    if refused:
        said = f"{refused} Nothing was done. Open the page in this console again, and send the form from there."
        return 403, "Refused", element("p", said, class_="error")
    return await ACTIONS[request.path](cloud, fields)


async def _shown(request: Request, cloud: Cloud, query: Query) -> Response:
    if request.http not in ("GET", "HEAD"):
        said = element("p", f"{request.http} is not for the console: it shows, cancels, resets and sends.", class_="empty")
        return _response(405, _document("", "Not allowed", cloud, said, query, moves=False))
    if request.path == "/favicon.ico":
        return Response(status=204, content_type="image/x-icon")
    if request.path == "/picture":
        drawn, type_ = previews.picture(cloud, query)
        return Response(drawn, headers={**HEADERS, "Content-Security-Policy": "default-src 'none'; sandbox"}, content_type=type_)
    if request.path not in VIEWS:
        raise NothingThere(f"There is no page {request.path}.")
    title, view = VIEWS[request.path]
    content = await view(cloud, query)
    moves = request.path in LIVE and 'class="state busy"' in content
    return _response(200, _document(request.path, title, cloud, content, query, moves))


def _response(status: int, document: str) -> Response:
    return Response(document.encode("utf-8", "replace"), status, HEADERS, "text/html; charset=utf-8")


def _document(path: str, title: str, cloud: Cloud, content: Markup, query: Query, moves: bool) -> str:
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="refresh", content=REFRESH_SECONDS) if moves and query.get("live") != "0" else None,
        element("link", rel="icon", href="data:,"),
        element("title", " · ".join(filter(None, (_subject(query), title, "Local Google Cloud")))),
        element("style", STYLE),
    )
    header = element(
        "header",
        element("div", link("Local Google Cloud", "/"), element("small", str(cloud.state)), class_="brand"),
        element("nav", *(_group(name, tabs, path) for name, tabs in GROUPS.items()), aria_label="Views"),
    )
    main = element("main", _heading(path, title, query), _live(path, query) if moves else None, content, id="content", tabindex="-1")
    skip = element("a", "Skip to the content", href="#content", class_="skip")
    return f"<!doctype html>{element('html', head, element('body', skip, header, main), lang='en')}"


def _subject(query: Query) -> str:
    """What a page is about, where it is about one thing."""
    named = next((query[key] for key in SUBJECTS if query.get(key)), "")
    return last(named.rstrip("/"))


def _heading(path: str, title: str, query: Query) -> Markup:
    """The view's name; above one thing of it, with the way back to all."""
    subject = _subject(query)
    return element("h1", link(title, path), element("span", f" / {subject}")) if subject and path in TABS else element("h1", title)


def _group(name: str, tabs: dict[str, tuple[str, View]], path: str) -> Markup:
    items = [
        element("li", element("a", text, href=address, aria_current="page" if address == path else ""))
        for address, (text, _) in tabs.items()
    ]
    return element("div", element("b", name), element("ul", *items))


def _live(path: str, query: Query) -> Markup:
    """What is told of a page that moves, and its switch."""
    live = query.get("live") != "0"
    kept = {key: value for key, value in query.items() if key != "live"} | ({"live": "0"} if live else {})
    said = f"Something runs: this page is read again every {REFRESH_SECONDS} s." if live else "Something runs; this page stands still."
    switch = element("a", "Stand still" if live else "Follow", href=f"{path}?{urlencode(kept)}" if kept else path)
    return element("p", said, " ", switch, class_="live", role="status")
