"""Every generated page. A room that has more to tell adds a file under `pages` and a line here."""

from typing import Final

from dev.reference.page import Page
from dev.reference.pages.cell_api import CELL_API
from dev.reference.pages.commands import COMMANDS
from dev.reference.pages.control_api import CONTROL_API
from dev.reference.pages.errors import ERRORS
from dev.reference.pages.lint import LINT
from dev.reference.pages.log_entries import LOG_ENTRIES
from dev.reference.pages.map import MAP
from dev.reference.pages.picture import PICTURE
from dev.reference.pages.settings import SETTINGS

PAGES: Final[tuple[Page, ...]] = (
    CELL_API,
    COMMANDS,
    CONTROL_API,
    ERRORS,
    LINT,
    LOG_ENTRIES,
    MAP,
    PICTURE,
    SETTINGS,
)
