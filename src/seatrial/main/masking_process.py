"""The process that masks one run for its cell: `python -P -m seatrial.main.masking_process BYTES`.

It reads one line of JSON and writes one answer. Its standard input is its leash.
"""

import contextlib
import importlib
import os
import resource
import sys
import threading
import traceback
from pathlib import Path
from typing import Final

from seatrial.cell.assess.domain.masking import Answer, Masked, Material, Refused
from seatrial.kit.errors import SeatrialError

_MASKING: Final = "seatrial.main.cell_fixtures"
_NICE: Final = 10  # behind the cell, which serves runs


def main(memory: int) -> None:
    """Mask what standard input tells of."""
    _bounded(memory)
    line = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_cell, daemon=True).start()
    answer = _answered(line)
    sys.stdout.buffer.write(answer.model_dump_json().encode())
    sys.stdout.buffer.flush()


def _answered(line: bytes) -> Answer:
    """What came of it. Of a defect, no word that could quote a value leaves this process."""
    try:
        return Answer(masked=_masked(Material.model_validate_json(line)))
    except SeatrialError as error:
        fields = {name: _plain(value) for name, value in error.fields.items()}
        return Answer(refused=Refused(code=error.code, fields=fields))
    except ModuleNotFoundError as error:
        return Answer(missing=error.name)
    except MemoryError:
        return Answer(broke="it needed more memory than it may have")
    except Exception as error:  # noqa: BLE001 - told as what it is: a defect
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        return Answer(broke=f"it met {type(error).__name__} in {where}")


def _masked(material: Material) -> Masked:
    """Imported here: the extra `data` may not be there."""
    masked: Masked = importlib.import_module(_MASKING).masked(material)
    return masked


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | bool | None) else str(value)


def _bounded(memory: int) -> None:
    """Take less than the cell does, and leave nothing behind."""
    os.nice(_NICE)
    for kind, bound in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_DATA, memory)):
        with contextlib.suppress(ValueError, OSError):  # a lower bound stands already
            resource.setrlimit(kind, (bound, bound))
    with contextlib.suppress(OSError):  # where memory runs out, this goes before the cell
        Path("/proc/self/oom_score_adj").write_text("500", "ascii")


def _end_with_cell() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing more is ever told
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
