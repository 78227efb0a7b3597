"""Any OpenFeature backend decides the arm; it is recorded as served, for backends disagree."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Generic, TypeVar

from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagType, Reason

from seatrial.kit.errors import Failed

_T = TypeVar("_T")
_LONGEST_NAME: Final = 64  # characters; a served prompt would be an absurd name
_KINDS: Final[tuple[tuple[type, FlagType], ...]] = (  # bool first: it is an int to Python
    (bool, FlagType.BOOLEAN), (str, FlagType.STRING), (int, FlagType.INTEGER),
    (float, FlagType.FLOAT), (Mapping, FlagType.OBJECT), (Sequence, FlagType.OBJECT),
)  # fmt: skip


class ArmUnrecorded(Failed):
    """Arm {variant!r} of flag {flag!r} was served to {user!r} and not recorded: {why}."""

    code = "arm_unrecorded"
    cause = "The function that keeps arms, or the clock beside it, raised."
    remedy = "Mend the recorder; leave users served meanwhile out of comparisons between arms."


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm(Generic[_T]):
    """What one user was served of one flag.

    Attributes:
        flag: the flag's key.
        variant: the backend's name for it, else its value (above 64 characters: a digest of it).
        value: what to act on; after an error, the default.
        reason: why, in OpenFeature's words; `ERROR` after an error.
        backend: the provider's own name; empty if it cannot be had.
        error: OpenFeature's error code, if any, with its message.
    """

    flag: str
    variant: str
    value: _T
    reason: str
    backend: str
    error: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Asks a backend, records, and answers. Threads may share it, if the callables too.

    Attributes:
        client: OpenFeature's client of whichever backend.
        now: the time of the record, such as `Clock.now`.
        record: takes arm, user and time before the caller has the arm; let it queue and return.
        trouble: takes the error if `record` raises. The caller still gets the arm: users must not
            suffer for our bookkeeping. Raise it there to serve nobody unrecorded.
    """

    client: OpenFeatureClient
    now: Callable[[], datetime]
    record: Callable[[Arm[Any], str, datetime], None]
    trouble: Callable[[ArmUnrecorded], None]

    def choose(self, flag: str, user: str, attributes: Mapping[str, Any], default: _T) -> Arm[_T]:
        """Serve `user` one arm. A backend's error, or an empty user, gives `default`, recorded too.

        Raises TypeError if no flag can be of the default's type.
        """
        if (kind := _kind(default)) is None:
            raise TypeError(f"default {default!r} of flag {flag!r} is of no type that flags have")
        found, backend = _failed(ErrorCode.TARGETING_KEY_MISSING, "The user is empty."), ""
        try:
            backend = self.client.provider.get_metadata().name
            if user:
                context = EvaluationContext(user, dict(attributes))
                found = self.client.evaluate_flag_details(kind[1], flag, default, context)  # type: ignore[call-overload] # chosen by type at run time
            arm = _arm(flag, found, backend, default)
        except Exception as fault:  # noqa: BLE001 - a backend may raise anything, and a hook too
            arm = _arm(flag, _failed(ErrorCode.GENERAL, repr(fault)), backend, default)
        try:
            self.record(arm, user, self.now())
        except Exception as fault:  # noqa: BLE001 - a recorder may raise anything
            self.trouble(ArmUnrecorded(variant=arm.variant, flag=flag, user=user, why=repr(fault)))
        return arm


def _arm(flag: str, found: FlagEvaluationDetails[Any], backend: str, default: _T) -> Arm[_T]:
    reason, message = str(found.reason or Reason.UNKNOWN), found.error_message
    error = found.error_code or (ErrorCode.GENERAL if reason == Reason.ERROR else None)
    if error is None and _kind(found.value) != _kind(default):  # to OpenFeature a bool is an int
        error, message = ErrorCode.TYPE_MISMATCH, f"The value is a {type(found.value).__name__}."
    if error is not None:
        variant, value, reason = _named(default), default, str(Reason.ERROR)
    else:
        variant, value, message = found.variant or _named(found.value), found.value, None
    return Arm(flag=flag, variant=variant, value=value, reason=reason, backend=backend,
               error=error and str(error), message=message)  # fmt: skip


def _failed(code: ErrorCode, message: str) -> FlagEvaluationDetails[Any]:
    return FlagEvaluationDetails("", None, error_code=code, error_message=message)


def _kind(value: object) -> tuple[type, FlagType] | None:
    return next((kind for kind in _KINDS if isinstance(value, kind[0])), None)


def _named(value: object) -> str:
    name = value if value and isinstance(value, str) else json.dumps(value, sort_keys=True)
    digest = sha256(name.encode(errors="surrogatepass")).hexdigest()
    return name if len(name) <= _LONGEST_NAME else f"sha256:{digest[:16]}"
