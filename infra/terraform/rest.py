"""Google's REST APIs over one authorised session: errors as one exception, operations waited for."""

import threading
import time
from typing import Any
from urllib.parse import urlencode

import google.auth
import requests
from google.auth.transport.requests import AuthorizedSession

SCOPES = ("https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/userinfo.email")
TRY_AGAIN = (429, 500, 502, 503, 504)
ATTEMPTS = 5
TIMEOUT_SECONDS = 60
OPERATION_MINUTES = 30
API_IS_OFF = ("has not been used in project", "is disabled")


class Refused(Exception):
    """Google answered with an error; the text is Google's own."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"googleapi: Error {status}: {text}")
        self.status = status

    @property
    def api_is_off(self) -> bool:
        """Whether an API is not enabled, so that nothing of it exists."""
        return self.status == 403 and any(words in str(self) for words in API_IS_OFF)


class Google:
    """A session with the credentials that the process environment names, made at the first call."""

    def __init__(self) -> None:
        self._session: AuthorizedSession | None = None
        self._making = threading.Lock()

    def call(
        self, method: str, url: str, query: dict[str, Any] | None = None, body: Any = None, raw: tuple[str, bytes] | None = None
    ) -> dict[str, Any]:
        """One request; answers that ask for another try get it.

        Args:
            method: HTTP method.
            url: address without its query.
            query: parameters.
            body: what is sent as JSON.
            raw: media type and content that are sent in place of a body.

        Raises:
            Refused: when Google answers with an error, or cannot be reached.
        """
        address = f"{url}?{urlencode(query)}" if query else url
        headers, data = ({"Content-Type": raw[0]}, raw[1]) if raw else (None, None)
        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            try:
                answer = self._authorised().request(method, address, json=body, data=data, headers=headers, timeout=TIMEOUT_SECONDS)
            except (requests.RequestException, google.auth.exceptions.TransportError) as error:
                if last:
                    raise Refused(0, f"{method} {address} was not answered: {error}") from None
            except google.auth.exceptions.GoogleAuthError as error:
                raise Refused(401, f"the Google credentials do not work: {error}. Run: gcloud auth application-default login") from None
            else:
                if answer.status_code < 400:
                    content = answer.json() if answer.content else {}
                    return content if isinstance(content, dict) else {"value": content}
                if last or answer.status_code not in TRY_AGAIN:
                    raise Refused(answer.status_code, _message(answer))
            time.sleep(0.2 * 2**attempt)
        raise AssertionError("the last attempt answers or raises")

    def finished(self, api: str, answer: dict[str, Any]) -> dict[str, Any]:
        """Wait for the operation when `answer` is one; otherwise `answer` itself.

        Raises:
            Refused: when the operation fails or takes longer than half an hour.
        """
        deadline = time.monotonic() + OPERATION_MINUTES * 60
        pause = 0.1
        while _pending(answer):
            if time.monotonic() > deadline:
                raise Refused(0, f"the operation {answer['name']} did not end within {OPERATION_MINUTES} minutes")
            time.sleep(pause)
            pause = min(pause * 1.5, 5.0)
            answer = self.call("GET", answer["selfLink"] if "selfLink" in answer else f"{api}/{answer['name']}")
        if not _operation(answer):
            return answer
        if error := answer.get("error"):
            raise Refused(error.get("code", 0) if "selfLink" not in answer else 400, str(error.get("message", error)))
        response = answer.get("response")
        return response if isinstance(response, dict) else {}

    def _authorised(self) -> AuthorizedSession:
        with self._making:
            if self._session is None:
                try:
                    credentials, _ = google.auth.default(scopes=SCOPES)
                except google.auth.exceptions.DefaultCredentialsError as error:
                    raise Refused(401, f"there are no Google credentials: {error}. Run: gcloud auth application-default login") from None
                session = AuthorizedSession(credentials)
                session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=32))
                self._session = session
            return self._session


def _operation(answer: dict[str, Any]) -> bool:
    return str(answer.get("kind", "")).endswith("#operation") or ("operations/" in str(answer.get("name", "")) and "done" in answer)


def _pending(answer: dict[str, Any]) -> bool:
    if str(answer.get("kind", "")).endswith("#operation"):
        return answer.get("status") != "DONE"
    # An operation that has not ended leaves `done` out, since false is its default.
    name = str(answer.get("name", ""))
    return (name.startswith("operations/") or "/operations/" in name) and not answer.get("done", False)


def _message(answer: requests.Response) -> str:
    try:
        error = answer.json()["error"]
        return str(error["message"] if isinstance(error, dict) else answer.json().get("error_description", error))
    except (ValueError, KeyError, TypeError):
        return answer.text[:500] or str(answer.reason)
