"""Forms of the console that change something, and the requests that they become.

A form carries a token that only this process knows and that only its own pages can read, and a browser says which page a form was sent
from: a page of another site can do nothing here. What a form asks for is a request like that of any client, made as the machine's owner.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from emulator import dispatch
from emulator.console.markup import Child, Markup, duration_text, element, join, section
from emulator.console.parts import code
from emulator.identity import E_MAIL, access_token

if TYPE_CHECKING:
    from emulator.cloud import Cloud

Form = Mapping[str, str]
Outcome = tuple[int, str, Markup]
"""Status, title and content of the page that answers a form."""

TOKEN = secrets.token_urlsafe(32)


def form(action: str, *controls: Child, **hidden: str) -> Markup:
    """A form that an action answers."""
    values = {"token": TOKEN, **hidden}
    inputs = [element("input", type="hidden", name=name, value=value) for name, value in values.items()]
    return element("form", *inputs, *controls, action=action, method="post", class_="action")


def given(request: dispatch.Request) -> tuple[Form, str]:
    """What a form says, and why it is not acted on; the latter is empty where it is."""
    fields = {name: values[-1] for name, values in parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True).items()}
    return fields, _refused(request, fields)


def _refused(request: dispatch.Request, fields: Form) -> str:
    """Why a form is not acted on; empty where it is."""
    origin = request.headers.get("origin", "")
    if origin != f"http://{request.headers.get('host', '')}":
        return f"The form was sent from {origin or 'a page that does not say where it is'}, not from this console."
    if not secrets.compare_digest(fields.get("token", "").encode(), TOKEN.encode()):
        return "The form's token is not this emulator's: it was started again since the page was opened, or the form is another's."
    return ""


async def ask(cloud: Cloud, http: str, host: str, path: str, query: str = "", body: Any = None) -> tuple[int, Any]:
    """Status and answer to a request of the machine's owner."""
    headers = {"authorization": f"Bearer {access_token(E_MAIL)}", "content-type": "application/json"}
    content = b"" if body is None else json.dumps(body).encode()
    answer = await dispatch.answer(dispatch.Request(http, host, path, query, headers, content), cloud)
    raw = answer.body if isinstance(answer.body, bytes) else b"".join([part async for part in answer.body])
    try:
        return answer.status, json.loads(raw or b"{}")
    except ValueError:
        return answer.status, raw.decode("utf-8", "replace")


def host_of(service: str, name: str) -> str:
    """The host that answers for a resource."""
    location = re.search(r"/locations/([^/]+)", name)
    regional = service == "aiplatform" and location and location.group(1) != "global"
    return f"{location.group(1)}-aiplatform.googleapis.com" if regional and location else f"{service}.googleapis.com"


def result(status: int, answer: Any, took: float, done: str) -> Markup:
    """What came of a request: `done`, or what is wrong, over the whole answer."""
    if status >= 400:
        error = answer.get("error", {}) if isinstance(answer, dict) else {}
        said = element("p", "✗ ", error.get("message") or f"HTTP {status}", class_="error", role="alert")
    else:
        said = element("p", f"✓ {done}", class_="good", role="status")
    return join([said, section(f"Answer: HTTP {status}, after {duration_text(took)}", code(answer))])
