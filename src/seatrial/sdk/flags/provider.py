"""The OpenFeature provider: answers from a definition in memory, in microseconds.

    from openfeature import api
    from seatrial.contract.flags.splits import Generation
    from seatrial.sdk.flags.provider import FlagsProvider
    from seatrial.sdk.flags.sources import FileSource

    api.set_provider(FlagsProvider(FileSource("flags.json"), generation=Generation.V3))

Events: ready with the first good definition; configuration changed, with the flags' keys, for each
one after; stale if what comes is refused or nothing can be had, while the last good one goes on
serving; error if there never was a good one.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.hook import Hook
from openfeature.provider import AbstractProvider, Metadata
from openfeature.track import TrackingEventDetails

from seatrial.contract.flags.findings import FlagsInvalid, FlagsTooLarge
from seatrial.contract.flags.flagset import FlagSet
from seatrial.contract.flags.resolution import FlagKind, Resolution, typed
from seatrial.contract.flags.splits import Generation
from seatrial.sdk.flags.contexts import context_of
from seatrial.sdk.flags.sources import Source

_T = TypeVar("_T")
Tracker = Callable[[str, EvaluationContext | None, TrackingEventDetails | None], None]
"""Takes what the application tracks: the event's name, the context and the details."""

_METADATA: Final = Metadata(name="seatrial")


class FlagsProvider(AbstractProvider):
    """Serves the flags of one source. May be shared by threads and event loops: nothing waits."""

    def __init__(
        self,
        source: Source,
        *,
        generation: Generation,
        hooks: Sequence[Hook] = (),
        tracker: Tracker | None = None,
        now: Callable[[], float] = time.time,  # lint: SEA002 because the SDK has no Clock
    ) -> None:
        """Make a provider; OpenFeature initializes it.

        Args:
            source: where definitions come from.
            generation: which bytes splits hash; the release that the flags belong to records it.
            hooks: run around every evaluation of this provider, such as `ExposureHook`.
            tracker: takes what the application tracks; without one, tracking does nothing.
            now: seconds since 1970, for rules that read `$flagd.timestamp`.
        """
        super().__init__()
        self._source = source
        self._flags = FlagSet(generation)
        self._hooks = list(hooks)
        self._tracker = tracker
        self._now = now
        self._begun = self._loaded = self._fresh = False
        self._trouble = ""

    def get_metadata(self) -> Metadata:
        """The provider's name."""
        return _METADATA

    def get_provider_hooks(self) -> list[Hook]:
        """The hooks that were given."""
        return self._hooks

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        """Open the source and load its definition.

        Raises:
            ProviderNotReadyError: there is no good definition yet; the provider becomes ready by
                itself as soon as the source delivers one.
        """
        del evaluation_context
        self._begun = False
        self._source.open(self._take, self._note)
        self._begun = True
        if not self._loaded:
            raise ProviderNotReadyError(self._trouble)

    def shutdown(self) -> None:
        """Close the source; the last definition stays in memory."""
        self._source.close()

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Hand the event to the tracker."""
        if self._tracker is not None:
            self._tracker(tracking_event_name, evaluation_context, tracking_event_details)

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        """The answer of a flag that is true or false."""
        return self._details(flag_key, default_value, evaluation_context, FlagKind.BOOLEAN)

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        """The answer of a flag that is a text."""
        return self._details(flag_key, default_value, evaluation_context, FlagKind.STRING)

    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        """The answer of a flag that is a whole number."""
        return self._details(flag_key, default_value, evaluation_context, FlagKind.INTEGER)

    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        """The answer of a flag that is a number; a whole one is handed out as a float."""
        details = self._details(flag_key, default_value, evaluation_context, FlagKind.FLOAT)
        if details.variant is not None:
            details.value = float(details.value)
        return details

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """The answer of a flag that is an object: a copy, which the caller may change."""
        details = self._details(flag_key, default_value, evaluation_context, FlagKind.OBJECT)
        if details.variant is not None:
            details.value = _copied(details.value)
        return details

    def _details(
        self, key: str, default: _T, asked: EvaluationContext | None, kind: FlagKind
    ) -> FlagResolutionDetails[_T]:
        if not self._loaded:
            return FlagResolutionDetails(
                default,
                error_code=ErrorCode.PROVIDER_NOT_READY,
                error_message=self._trouble or "The provider was not initialized.",
                reason=Reason.ERROR,
            )
        answer = self._flags.evaluate(key, context_of(asked), int(self._now()))
        return _details_of(typed(answer, kind), default)

    def _take(self, text: bytes) -> None:
        """A definition came."""
        try:
            changed = self._flags.load(text)
        except (FlagsInvalid, FlagsTooLarge) as refused:
            self._note(str(refused))
            return
        was_fresh, self._loaded, self._fresh = self._fresh, True, True
        if self._begun and not was_fresh:
            self.emit_provider_ready(ProviderEventDetails())
        if self._begun and changed:
            self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=changed))

    def _note(self, trouble: str) -> None:
        """No definition, or a bad one, came."""
        self._trouble, self._fresh = trouble, False
        if self._begun and self._loaded:
            self.emit_provider_stale(ProviderEventDetails(message=trouble))
        elif self._begun:
            details = ProviderEventDetails(message=trouble, error_code=ErrorCode.PROVIDER_NOT_READY)
            self.emit_provider_error(details)


def _details_of(answer: Resolution, default: _T) -> FlagResolutionDetails[_T]:
    return FlagResolutionDetails(
        default if answer.variant is None else answer.value,
        error_code=None if answer.error is None else ErrorCode(answer.error),
        error_message=answer.message,
        reason=Reason(answer.reason),
        variant=answer.variant,
        flag_metadata=dict(answer.metadata),
    )


def _copied(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
