"""Providers of models as data, which calls there are, and what is refused."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from seatrial.contract.environments.profiles import PATH
from seatrial.contract.releases.components import Limits, Model
from seatrial.contract.releases.release import Release
from seatrial.kit.errors import Conflict, Denied, Failed, Invalid, Limited


class Dialect(enum.StrEnum):
    """How a provider is spoken to, and how it says that something is wrong."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class Route(enum.StrEnum):
    """A kind of call, by its path below `/v1`."""

    CHAT = "/chat/completions"
    RESPONSES = "/responses"
    EMBEDDINGS = "/embeddings"
    MESSAGES = "/messages"

    @property
    def dialect(self) -> Dialect:
        """Who speaks it."""
        return Dialect.ANTHROPIC if self is Route.MESSAGES else Dialect.OPENAI


@dataclass(frozen=True, kw_only=True)
class Provider:
    """Somebody who serves models.

    Attributes:
        name: as model pins name it.
        base_url: its API, `/v1` included, without a slash at the end.
        secret: name of its key in the vault; None where it asks for none.
        dialect: how it is spoken to.
        headers: sent with every call, such as an organisation.
        priced_as: under which name the price table knows it; its own name where this is None.
    """

    name: str
    base_url: str
    secret: str | None
    dialect: Dialect
    headers: tuple[tuple[str, str], ...] = ()
    priced_as: str | None = None


KNOWN: Final[Mapping[str, Provider]] = MappingProxyType(
    {
        each.name: each
        for each in (
            Provider(
                name="openai",
                base_url="https://api.openai.com/v1",
                secret="openai",  # noqa: S106 - the name of a secret
                dialect=Dialect.OPENAI,
            ),
            Provider(
                name="anthropic",
                base_url="https://api.anthropic.com/v1",
                secret="anthropic",  # noqa: S106 - the name of a secret
                dialect=Dialect.ANTHROPIC,
            ),
        )
    }
)
"""Those that need no setting but their key."""

_UNPINNED: Final = frozenset({PATH[0]})


class CallWithoutRun(Conflict):
    """A call came from an agent's process that has no run."""

    code = "call_without_run"
    cause = "A task or thread outlived its run, or the module calls a model while it is imported."
    remedy = "Await or join everything before the agent returns, and call nothing at import."


class ModelNotPinned(Denied):
    """The release {release} does not pin the model {model!r}."""

    code = "model_not_pinned"
    cause = "Outside dev an agent calls the models that its release pins, and no other."
    remedy = "Add the model under `[models]` in seatrial.toml and deploy again."


class ModelCallMalformed(Invalid):
    """The model call is malformed: {reason}."""

    code = "model_call_malformed"
    cause = "The body of a model call is a JSON object, uncompressed, that names one `model`."
    remedy = "Send what the provider's own client sends."


class ProviderUnknown(Failed):
    """This cell knows no provider {provider!r}; it knows {known}."""

    code = "provider_unknown"
    cause = "A release pins a model of a provider that the cell's settings do not name."
    remedy = "Add the provider to the settings of this cell, or pin another one's model."


class ProviderUnfit(Invalid):
    """The provider {provider!r} is refused: {reason}."""

    code = "provider_unfit"
    cause = "A provider in the settings needs a name of its own and the URL of its API."
    remedy = "Write `base_url` as in `https://api.example.com/v1`, without a slash at the end."


class DialectMismatch(Invalid):
    """The provider {provider!r} does not answer {route!r}."""

    code = "provider_dialect_mismatch"
    cause = "The model is pinned to a provider that is spoken to in another way."
    remedy = "Call it with that provider's own client, or pin the model to another provider."


class ModelCallUnrecorded(Conflict):
    """The call of {model!r} at {route!r} {why}, and this run makes no new one."""

    code = "model_call_unrecorded"
    cause = "A strict replay is answered from the run that it follows, and nothing goes out."
    remedy = "Compare both runs with `seatrial runs replay`; start a live run to make new calls."


class StepLimitReached(Limited):
    """The run has made {calls} calls, and its limit is {limit}."""

    code = "step_limit_reached"
    cause = "The release sets `steps` under `[limits]`; a loop that does not end meets it."
    remedy = "Look at the run's calls; raise the limit and deploy if so many are really needed."


class RunBudgetSpent(Limited):
    """The run has spent {spent} USD, and its limit is {limit} USD."""

    code = "run_budget_spent"
    cause = "The release sets `cost_usd` under `[limits]`."
    remedy = "Look at the run's calls; raise the limit and deploy if the work is worth it."


@dataclass(frozen=True, kw_only=True)
class Pins:
    """What a release says of models.

    Attributes:
        release: its digest, for people.
        providers: who serves each pinned model, by the model's exact name.
        limits: of one run.
    """

    release: str
    providers: Mapping[str, tuple[str, ...]]
    limits: Limits


def pins_of(release: Release) -> Pins:
    """The pins of a release."""
    return pinned(str(release.name), release.models.values(), release.limits)


def pinned(release: str, models: Iterable[Model], limits: Limits) -> Pins:
    """Pins by model; one model may be pinned under several names and providers."""
    providers: dict[str, tuple[str, ...]] = {}
    for pin in models:
        before = providers.get(pin.model, ())
        if pin.provider not in before:
            providers[pin.model] = (*before, pin.provider)
    return Pins(release=release, providers=MappingProxyType(providers), limits=limits)


def chosen(
    environment: str, pins: Pins, known: Mapping[str, Provider], route: Route, asked: str
) -> Provider:
    """Who serves the model that was asked for.

    Raises:
        ModelNotPinned: the release does not pin it, and this is not dev.
        ProviderUnknown: the cell does not know whom the pin names.
        DialectMismatch: he does not answer this kind of call.
    """
    names = pins.providers.get(asked)
    if names is None:
        if environment not in _UNPINNED:
            raise ModelNotPinned(release=pins.release, model=asked)
        names = (str(route.dialect),)
    found = [known[name] for name in names if name in known]
    if not found:
        raise ProviderUnknown(provider=names[0], known=", ".join(sorted(known)) or "none")
    for provider in found:
        if provider.dialect is route.dialect:
            return provider
    raise DialectMismatch(provider=found[0].name, route=f"/v1{route}")


def refuse_spent(limits: Limits, calls: int, spent: float, *, most: int | None = None) -> None:
    """Refuse a call of a run that has used up what it may.

    Calls that are under way are not counted in money, only in steps: their price is not known
    before they end.

    Args:
        limits: of the run's release.
        calls: that the run has made.
        spent: by it, in dollars.
        most: calls, where the release sets no limit.

    Raises:
        StepLimitReached, RunBudgetSpent: it has.
    """
    steps = most if limits.steps is None else limits.steps
    if steps is not None and calls >= steps:
        raise StepLimitReached(calls=calls, limit=steps)
    if limits.cost_usd is not None and spent >= limits.cost_usd:
        raise RunBudgetSpent(spent=f"{spent:.6f}", limit=f"{limits.cost_usd:g}")
