"""Masks a run in its cell. Imported when a fixture is made: masking is an extra of its own."""

import shutil
from pathlib import Path

from seatrial.cell.assess.domain.fixtures import Masked, Material
from seatrial.data.fixtures.making import Asked, Means, make, refuse_unfit
from seatrial.data.masking.service.keys import MaskingKey
from seatrial.data.rules.toml import read_rules
from seatrial.kit.clock import SystemClock


def masked(material: Material) -> Masked:
    """See `Mask`."""
    rules = read_rules(Path(material.rules))
    refuse_unfit(rules, shown=material.rules)
    work = Path(material.work)
    shutil.rmtree(work, ignore_errors=True)  # what a process that was killed has left there
    means = Means(
        rules=rules,
        key=MaskingKey.from_private_pem(material.key.encode()),
        source=material.source,
        signing=material.signing,
        clock=SystemClock(),
        work=work,
    )
    asked = Asked(
        run=material.run,
        release=material.release,
        conversation=material.conversation,
        expect=material.expect,
    )
    made = make(asked, means)
    return Masked(fixture=made.fixture, people=made.people, dropped=made.dropped)
