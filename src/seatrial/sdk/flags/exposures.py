"""Who was served which variant: what an experiment needs, and no backend can tell afterwards.

Flag systems hash differently, so one user is in another arm in each of them. What counts is the arm
that was served, noted where it was served.
"""

from collections.abc import Callable
from dataclasses import dataclass

from openfeature.flag_evaluation import FlagEvaluationDetails, FlagValueType
from openfeature.hook import Hook, HookContext, HookHints


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One user was served one variant.

    Attributes:
        flag: the flag's key.
        variant: the variant's name.
        reason: why, in OpenFeature's words.
        user: the targeting key; None if there was none.
    """

    flag: str
    variant: str
    reason: str
    user: str | None


class ExposureHook(Hook):
    """Tells of every variant that is served. Give it to the provider, the client or the API.

    The recorder runs within the evaluation: let it put the exposure on a queue and return. What it
    raises is logged by OpenFeature, and the evaluation goes on.
    """

    def __init__(self, record: Callable[[Exposure], None]) -> None:
        self._record = record

    def finally_after(
        self,
        hook_context: HookContext,
        details: FlagEvaluationDetails[FlagValueType],
        hints: HookHints,
    ) -> None:
        """Record, unless the default in the caller's code was served."""
        del hints
        if details.variant is not None and details.error_code is None:
            self._record(
                Exposure(
                    flag=hook_context.flag_key,
                    variant=details.variant,
                    reason=str(details.reason),
                    user=hook_context.evaluation_context.targeting_key,
                )
            )
