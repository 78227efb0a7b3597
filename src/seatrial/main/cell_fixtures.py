"""Masks a run, in a process of its own. Imported there alone: masking is an extra."""

from pathlib import Path

from seatrial.cell.assess.domain.masking import Masked, Material
from seatrial.data.fixtures.making import Asked, Means, make, refuse_unfit
from seatrial.data.masking.service.keys import MaskingKey
from seatrial.data.rules.toml import read_rules
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.signing import SigningKey


def masked(material: Material) -> Masked:
    """See `Mask`."""
    rules = read_rules(Path(material.rules))
    refuse_unfit(rules, shown=material.rules)
    means = Means(
        rules=rules,
        key=MaskingKey.from_private_pem(material.key.encode()),
        source=material.source,
        signing=SigningKey.from_private_pem(material.signing.encode()),
        clock=SystemClock(),
        work=Path(material.work),
    )
    asked = Asked(
        run=material.run,
        release=material.release,
        conversation=material.conversation,
        expect=material.expect,
    )
    made = make(asked, means)
    return Masked(fixture=made.fixture, people=made.people, dropped=made.dropped)
