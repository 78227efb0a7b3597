"""Why promotions refuse something."""

from seatrial.kit.errors import Conflict, Denied, Failed, Invalid, NotFound


class SwitchUnderWay(Conflict):
    """Generation {generation} of {environment!r} is being prepared."""

    code = "switch_under_way"
    cause = "An environment switches one generation at a time; only a rollback cuts in."
    remedy = "Wait until it is committed or abandoned (`seatrial status`), then order again."


class OrderStale(Conflict):
    """The order is for another state of {environment!r}: {reason}."""

    code = "order_stale"
    cause = "Something else was switched after the plan was made, so its signature counts no more."
    remedy = "Plan it again, look at what changed, and sign the new plan."


class OrderLapsed(Conflict):
    """The order for {environment!r} lapsed at {not_after}."""

    code = "order_lapsed"
    cause = "An order counts for a limited time, and this one was not carried out within it."
    remedy = "Plan it again and sign the new plan; compare the machines' clocks if it is fresh."


class OrderMismatched(Invalid):
    """The order does not fit what came with it: {reason}."""

    code = "order_mismatched"
    cause = "Environment and closure must be the very ones that were signed."
    remedy = "Hand in the closure of the plan that was signed, at the environment that it names."


class NothingToChange(Conflict):
    """Nothing would change in {environment!r}."""

    code = "nothing_to_change"
    cause = "What was asked for is active already, or there is no earlier state to go back to."
    remedy = "Look at `seatrial status`; name another release, generation or profile."


class GenerationUnknown(NotFound):
    """{environment!r} has no generation {generation} that fits."""

    code = "generation_unknown"
    cause = "The number was never given, or it was never committed and this asks for one that was."
    remedy = "List the generations with `seatrial status` and name one of them."


class GenerationSettled(Conflict):
    """Generation {generation} of {environment!r} is settled: no cell can be left out any more."""

    code = "generation_settled"
    cause = "It was committed or abandoned meanwhile."
    remedy = "Look at `seatrial status`; order anew if it was abandoned."


class NoCell(Conflict):
    """No cell of {environment!r} would have to prepare the switch."""

    code = "no_cell"
    cause = "None is enrolled and on the keyring, or all of them were excluded."
    remedy = (
        "Start and enrol a cell, or exclude fewer: a switch that nobody prepares proves nothing."
    )


class CellUnknown(NotFound):
    """{environment!r} has no cell {cell!r}."""

    code = "cell_unknown"
    cause = "The name is mistyped, or the cell is not enrolled or not on the keyring in force."
    remedy = "List the cells with `seatrial status`."


class CellNotYours(Denied):
    """{caller!r} may not speak for cell {cell!r}."""

    code = "cell_not_yours"
    cause = "A cell says and reads only what is its own: its token and its key name it."
    remedy = "Use the cell's own token; enrol it again if it was renamed."


class DeployRefused(Denied):
    """Nothing is deployed to {environment!r}."""

    code = "deploy_refused"
    cause = "What enters it comes from the environment before it, with evidence, by promotion."
    remedy = "Deploy to staging, then `seatrial promote`."


class PromoteRefused(Invalid):
    """Nothing comes before {environment!r} on the promotion path."""

    code = "promote_refused"
    cause = "Its rules name no source: releases are deployed to it."
    remedy = "Use `seatrial deploy`, or promote to an environment that has a source."


class NotLiveInSource(Conflict):
    """{release!r} of agent {agent!r} was never live in {source!r}."""

    code = "not_live_in_source"
    cause = "Only what has run in the source environment can be promoted from it."
    remedy = "Deploy it there first, or name a release that was: `seatrial releases list`."


class AgentNotThere(NotFound):
    """No agent {agent!r} is active in {environment!r}{hint}."""

    code = "agent_not_there"
    cause = "The name is mistyped, or the agent was never there, or was taken away before."
    remedy = "List what is active with `seatrial status`."


class RulesUnknown(Denied):
    """The rules in the order are not those of profile {profile!r} in {environment!r}."""

    code = "rules_unknown"
    cause = "An environment's rules are those of a profile of this version, whole."
    remedy = "Plan the change with `configure`, and update the program that planned it."


class ControlNotListed(Conflict):
    """This process of control signs with {key!r}, which the keyring in force does not list."""

    code = "control_not_listed"
    cause = "Cells take orders of the switch from the keys of control on the keyring, and no other."
    remedy = "Sign a keyring that lists it with the root key: `seatrial keys sign`."


class GenerationAltered(Failed):
    """Generation {generation} of {environment!r} is not what was signed: {reason}."""

    code = "generation_altered"
    cause = "Its row was edited past Seatrial, or a backup was restored by half."
    remedy = "Cells refuse it. Put the row back from a backup; the log tells what was decided."
