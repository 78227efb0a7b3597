"""What this room refuses. A number that cannot be right never moves a verdict."""

from seatrial.kit.errors import Conflict, Invalid


class ParameterRefused(Invalid):
    """The statistic's {name} must be {rule}; it is {value!r}."""

    code = "statistic_parameter_refused"
    cause = "A plan or a call asks for something that has no meaning, such as a rate above 1."
    remedy = "Correct the value; the page on statistics says what each parameter means."


class ObservationRefused(Invalid):
    """Observation {value!r} is not a number from {low} to {high}."""

    code = "statistic_observation_refused"
    cause = (
        "The guarantee rests on bounds fixed in advance; a value outside them, or NaN, breaks it."
    )
    remedy = "Find the source of the value; bound the measure (a cap, a mean of rates) in its plan."


class StateRefused(Conflict):
    """The saved state of a statistic does not fit: {problem}."""

    code = "statistic_state_refused"
    cause = "It was written under another plan, or by other hands, or was damaged."
    remedy = (
        "Continue it with the plan that began it, or start anew; evidence cannot be carried over."
    )
