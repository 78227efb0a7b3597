"""The shop of actions."""

from tests.cell.tools.conftest import shop

__all__ = ["shop"]
