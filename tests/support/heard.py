"""A progress hook that keeps what it is told."""

from __future__ import annotations

from bench.progress import Message, Progress, Steps


class Heard(Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.messages: list[Message] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)

    def tell(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def steps(self) -> list[tuple[str, int, int | None]]:
        """What each message about steps says: what they do, how many are done, and of how many."""
        return [(one.what, one.done, one.total) for one in self.messages if isinstance(one, Steps)]
