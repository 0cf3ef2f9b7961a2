"""The page around every view: title, tabs, style; and which path is which view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.console import endpoints, inbox, runs, views
from emulator.console.markup import Markup, element, link
from emulator.console.parts import NothingThere

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Query = Mapping[str, list[str]]

TABS: dict[str, tuple[str, Callable[[Cloud, Mapping[str, str]], Markup]]] = {
    "/": ("Overview", views.overview),
    "/runs": ("Pipeline runs", runs.view),
    "/models": ("Models", views.models),
    "/endpoints": ("Endpoints", endpoints.view),
    "/inbox": ("Inbox", inbox.view),
    "/storage": ("Storage", views.storage),
    "/operations": ("Operations", views.operations),
    "/logs": ("Logs", views.logs),
    "/resources": ("Resources", views.resources),
}
STYLE = Markup((Path(__file__).parent / "style.css").read_text(encoding="utf-8"))
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
REFRESH_SECONDS = "5"


def page(path: str, query: Query, cloud: Cloud) -> tuple[int, str, bytes]:
    """The page at `path`: status, content type and body.

    Args:
        path: Path of the request.
        query: Its query parameters.
        cloud: What is shown.
    """
    one = {name: values[-1] for name, values in query.items() if values}
    if path == "/favicon.ico":
        return 204, "image/x-icon", b""
    try:
        if path not in TABS:
            raise NothingThere(f"There is no page {path}.")
        status, content = 200, TABS[path][1](cloud, one)
    except NothingThere as error:
        status, content = 404, element("p", str(error), class_="empty")
    # A page on which something still moves is asked for again.
    return status, "text/html; charset=utf-8", _document(path, cloud, content, refresh='class="state busy"' in content).encode()


def _document(path: str, cloud: Cloud, content: Markup, refresh: bool) -> str:
    title = TABS[path][0] if path in TABS else "Not found"
    tabs = [element("a", name, href=address, aria_current="page" if address == path else "") for address, (name, _) in TABS.items()]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="refresh", content=REFRESH_SECONDS) if refresh else None,
        element("link", rel="icon", href="data:,"),
        element("title", f"{title} · Local Google Cloud"),
        element("style", STYLE),
    )
    header = element(
        "header",
        element("div", link("Local Google Cloud", "/"), element("small", f"{cloud.state} · times in UTC"), class_="brand"),
        element("nav", *tabs, aria_label="Views"),
    )
    skip = element("a", "Skip to the content", href="#content", class_="skip")
    body = element("body", skip, header, element("main", element("h1", title), content, id="content", tabindex="-1"))
    return f"<!doctype html>{element('html', head, body, lang='en')}"
