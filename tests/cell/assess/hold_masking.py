"""Masks what standard input tells of, as a cell does, until it is killed."""

import asyncio
import sys

from seatrial.cell.assess.domain.masking import MaskingBounds, Material
from tests.cell.assess.test_masking import masking

if __name__ == "__main__":
    asyncio.run(masking(MaskingBounds())(Material.model_validate_json(sys.stdin.readline())))
