"""Started by path, without `site`: nothing of the agent's environment runs before confinement.

venv/bin/python -P -s -S -B guest '{"entry": "agent.py:run", …}'
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Final

_NAME: Final = "seatrial_guest"  # no module of an agent has this name by accident


def _load_package() -> None:
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        _NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"no package at {str(folder)!r}")
    package = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    _load_package()
    importlib.import_module(f"{_NAME}.start").start(sys.argv[1])
