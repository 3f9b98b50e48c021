"""What a look at a dataset, or at the inbox, found."""

from dataclasses import dataclass, replace

from resources.credentials import redact
from resources.redacted_errors import redacted

WAITS = 5.0
"""Seconds that a tick waits for a piece of work after its beginning: most have ended by then, and are told at once."""


@dataclass(frozen=True)
class Look:
    """What a look at one dataset found: a snapshot to run, or none, and why."""

    reason: str
    snapshot: str | None = None
    settled: str | None = None
    """What the cursor holds: the snapshot that needs no further look (it is requested now, or was before, or has been
    run by hand), and when its dataset was made."""
    failure: BaseException | None = None

    def redacted(self) -> "Look":
        """The same without credentials: Dagster keeps reasons and failures, with all that led to them."""
        failure = None if self.failure is None else redacted(self.failure)
        return replace(self, reason=redact(self.reason), failure=failure)
