"""What a cell's tokens may do."""

import enum
from dataclasses import dataclass


class CellPermission(enum.StrEnum):
    """One thing that a caller of a cell may do."""

    INVOKE = "invoke"
    """Start runs, and see and cancel those that it started."""

    READ = "read"
    """See runs without their payloads, sessions, status."""

    PAYLOAD = "payload"
    """See inputs, outputs and receipts; each such read is logged."""

    OPERATE = "operate"
    """Cancel, redrive, judge outcomes, follow logs."""

    DRAFT = "draft"
    """Write drafts and run local code, where the environment allows it; never in production."""

    ADMIN = "admin"
    """Make and revoke tokens, set and rotate secrets."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who calls a cell.

    Attributes:
        id: of the token.
        name: for people and the log.
        tenant: the only tenant whose runs it may touch; empty for all.
        permissions: what it may do.
    """

    id: str
    name: str
    tenant: str
    permissions: frozenset[CellPermission]

    def may(self, permission: CellPermission) -> bool:
        """Whether it may."""
        return permission in self.permissions
