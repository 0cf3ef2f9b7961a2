"""Send: a message to a topic, or a request to an endpoint."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING

from emulator.console.forms import Form, Outcome, ask, form, host_of, result
from emulator.console.markup import Markup, element, join, section
from emulator.console.parts import NothingThere, Query, field, last, resource_link

if TYPE_CHECKING:
    from emulator.cloud import Cloud

EXAMPLE = '{\n  "instances": [\n    {}\n  ]\n}'


async def view(cloud: Cloud, query: Query) -> Markup:
    """A form for a message to `topic`, or for a request to `endpoint`."""
    for kind, service, key in (("Topic", "pubsub", "topic"), ("Endpoint", "aiplatform", "endpoint")):
        if name := query.get(key):
            if cloud.store.of(service).get(name) is None:
                raise NothingThere(f"There is no {key} {name}.")
            shown = element("p", "To ", resource_link(last(name), service, kind, name))
            return join([shown, _message_form(name, {}) if key == "topic" else _request_form(name, EXAMPLE)])
    raise NothingThere("Nothing to send to was named: open a topic or an endpoint, and choose to send from there.")


def _message_form(topic: str, fields: Form) -> Markup:
    data = element("textarea", fields.get("data", ""), id="data", name="data", rows="6", spellcheck="false")
    attributes = element(
        "textarea",
        fields.get("attributes", ""),
        id="attributes",
        name="attributes",
        rows="3",
        spellcheck="false",
        placeholder="task=vision",
    )
    return form(
        "/send",
        field("Message (text)", data, "data"),
        field("Attributes, one NAME=VALUE a line", attributes, "attributes"),
        element("button", "Publish"),
        topic=topic,
    )


def _request_form(endpoint: str, body: str) -> Markup:
    text = element("textarea", body, id="body", name="body", rows="12", spellcheck="false", required="required")
    return form("/send", field("Request (JSON)", text, "body"), element("button", "Predict"), endpoint=endpoint)


async def act(cloud: Cloud, fields: Form) -> Outcome:
    """Sends what the form holds, and shows the answer over the form."""
    begun = time.monotonic()
    if topic := fields.get("topic"):
        return await _publish(cloud, topic, fields, begun)
    endpoint = fields.get("endpoint", "")
    found = cloud.store.of("aiplatform").get(endpoint)
    if found is None:
        raise NothingThere(f"There is no endpoint {endpoint or '(none was named)'}.")
    text = fields.get("body", "")
    again = section("Once more", _request_form(endpoint, text))
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = f"The request is not JSON: {error}. Nothing was sent. Mend it below."
        return 400, "Send", join([element("p", "✗ ", said, class_="error", role="alert"), again])
    status, answer = await ask(
        cloud, "POST", found.get("dedicatedEndpointDns") or host_of("aiplatform", endpoint), f"/v1/{endpoint}:predict", body=body
    )
    shown = element("p", "To ", resource_link(last(endpoint), "aiplatform", "Endpoint", endpoint))
    return _status(status), "Send", join([shown, result(status, answer, time.monotonic() - begun, "The endpoint answered."), again])


async def _publish(cloud: Cloud, topic: str, fields: Form, begun: float) -> Outcome:
    if cloud.store.of("pubsub").get(topic) is None:
        raise NothingThere(f"There is no topic {topic}.")
    again = section("Once more", _message_form(topic, fields))
    attributes = {}
    for line in fields.get("attributes", "").splitlines():
        name, equals, value = line.partition("=")
        if line.strip() and not (equals and name.strip()):
            said = f"The attribute {line!r} has no name and value. Nothing was published. Write NAME=VALUE, one a line."
            return 400, "Send", join([element("p", "✗ ", said, class_="error", role="alert"), again])
        if line.strip():
            attributes[name.strip()] = value.strip()
    data = base64.b64encode(fields.get("data", "").encode()).decode()
    message = {key: value for key, value in (("data", data), ("attributes", attributes)) if value}
    status, answer = await ask(cloud, "POST", "pubsub.googleapis.com", f"/v1/{topic}:publish", body={"messages": [message]})
    shown = element("p", "To ", resource_link(last(topic), "pubsub", "Topic", topic))
    return _status(status), "Send", join([shown, result(status, answer, time.monotonic() - begun, "The message was published."), again])


def _status(status: int) -> int:
    """The page's own status: that of the answer, where it is an error."""
    return status if status >= 400 else 200
