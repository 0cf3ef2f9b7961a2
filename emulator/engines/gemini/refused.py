"""The one error of the local Gemini."""


class Refused(Exception):
    """What was asked cannot be computed here; the message says what, and what mends it."""

    def __init__(self, what: str, remedy: str) -> None:
        self.reason = f"{what}. {remedy}"
        super().__init__(f"The local Gemini cannot do this: {self.reason}")
