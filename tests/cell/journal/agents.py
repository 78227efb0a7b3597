"""Agents by name, each of which strains a part of the rule."""

from dataclasses import replace
from typing import Final

from seatrial.cell.journal.domain.rows import Effect, Kind
from tests.cell.journal.programs import WRITES, If, Manner, Many, Par, Say, Seq, Step

_LOOK: Final = Say(kind=Kind.ACTION, effect=Effect.READ, name=1)
_LOOK_AT: Final = Say(kind=Kind.ACTION, effect=Effect.READ, name=1, clock=True)
_THINK: Final = Say(kind=Kind.MODEL, effect=Effect.READ, name=2, context=True, stream=True)
_SAMPLE: Final = Say(kind=Kind.MODEL, effect=Effect.READ, name=3)
_TIMELY: Final = Say(kind=Kind.MODEL, effect=Effect.READ, name=3, clock=True)
_ASK: Final = Say(kind=Kind.WAIT, effect=Effect.IRREVERSIBLE, name=1)
_IDEM, _REC, _TRANS, _IRR = (
    Say(kind=Kind.ACTION, effect=effect, name=number) for number, effect in enumerate(WRITES)
)


def _seq(*steps: Step) -> Step:
    return Seq(steps=steps)


def _so(say: Say, manner: Manner) -> Say:
    return replace(say, manner=manner)


AGENTS: Final = {
    "reads_around_writes": _seq(_LOOK, _IDEM, _LOOK, _REC, _LOOK),
    "every_class_of_write": _seq(_IDEM, _REC, _TRANS, _IRR),
    "the_same_write_twice": _seq(_IRR, _IRR, _IDEM, _IDEM),
    "time_in_prompts": _seq(_TIMELY, _TRANS, _TIMELY, _THINK),
    "timely_reads_around_writes": _seq(_LOOK_AT, _IRR, _LOOK_AT, _IDEM, _LOOK_AT),
    "a_question_before_a_write": _seq(_THINK, _ASK, _IRR, _ASK),
    "branches_on_answers": _seq(_THINK, If(then=_IDEM, otherwise=_REC), _THINK),
    "parallel_writes": Par(
        branches=(_seq(_THINK, _IDEM), _seq(_LOOK, _IRR, _LOOK), _seq(_ASK, _REC))
    ),
    "samples_of_one_prompt": _seq(Many(say=_SAMPLE, times=3), _IRR),
    "twins": _seq(Many(say=_IRR, times=2), Many(say=_IDEM, times=2)),
    "clients_that_repeat": _seq(*(_so(it, manner) for it in (_IRR, _LOOK) for manner in Manner)),
    "clients_that_repeat_what_waits": Par(
        branches=(
            _seq(_IRR, _so(_IRR, Manner.REPEATS), _so(_IRR, Manner.UNHEARD)),
            _seq(_LOOK, _TRANS, _THINK, _TRANS),
        )
    ),
    "clients_that_overtake": _seq(
        _so(_LOOK, Manner.OVERTAKES), _IDEM, _LOOK, _so(_SAMPLE, Manner.OVERTAKES), _SAMPLE
    ),
    "writes_that_are_forgotten": Par(
        branches=(_seq(_LOOK, _so(_IRR, Manner.FORGETS)), _so(_TRANS, Manner.FORGETS))
    ),
    "models_that_fail": _seq(Say(kind=Kind.MODEL, effect=Effect.READ, name=4), _IRR),
}
