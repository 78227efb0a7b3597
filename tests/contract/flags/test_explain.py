import json
import re
from typing import Any

from hypothesis import given

from seatrial.contract.flags.explain import explained
from seatrial.contract.flags.resolution import Reason
from seatrial.contract.flags.splits import Generation
from tests.contract.flags.strategies import CONTEXTS, DEFINITIONS
from tests.contract.flags.writing import NOW, document, taken

RULE = {
    "if": [
        {"ends_with": [{"var": "email"}, "@company.com"]},
        "on",
        {"and": [{"in": [{"var": "country"}, ["de", "fr"]]},
                 {"!": [{"==": [{"var": "plan"}, "free"]}]}]},
        {"fractional": [["on", 25], ["off", 75]]},
        {"sem_ver": [{"var": "version"}, ">=", "2.0.0"]},
        {"fractional": [{"var": "account"}, ["on", 0], ["off", 1]]},
    ]
}  # fmt: skip
SECOND = '(country is in ["de", "fr"]) and not (plan == "free")'


def steps(
    context: dict[str, Any], generation: Generation = Generation.V2, rule: Any = RULE
) -> list[str]:
    definition = taken(document("new-checkout", rule), generation)
    return list(explained(definition, "new-checkout", context, NOW).steps)


def test_it_says_which_test_held() -> None:
    assert steps({"email": "jon@company.com"}) == [
        'email ends with "@company.com": yes (email is "jon@company.com").',
        "Answer: variant 'on', reason TARGETING_MATCH.",
    ]


def test_it_says_the_bucket_and_where_the_arms_lie() -> None:
    drawn = 986941360
    assert steps({"targetingKey": "user-2", "country": "de"})[1:] == [
        f'{SECOND}: yes (country is "de", plan is null).',
        'Of 100 buckets: "on" 0 to 24, "off" 25 to 99.',
        f'Generation v2 hashes the text "new-checkoutuser-2" to {drawn}, which is bucket 22: "on".',
        "Answer: variant 'on', reason TARGETING_MATCH.",
    ]


def test_it_says_what_v3_hashes() -> None:
    told = steps({"targetingKey": "user-2", "country": "de"}, Generation.V3)
    assert told[3].startswith('Generation v3 hashes the CBOR of ["new-checkout", "user-2"] to ')


def test_it_says_why_nobody_is_drawn() -> None:
    assert steps({"country": "fr"})[2:] == [
        "The split draws nobody: there is nothing to hash, for targetingKey is null.",
        "Answer: the default variant 'off', reason DEFAULT.",
    ]
    assert steps({"version": "2.1", "account": 7})[-2:] == [
        "The split draws nobody: there is nothing to hash, for account is 7.",
        "Answer: the default variant 'off', reason DEFAULT.",
    ]
    assert steps({"version": "2.1", "account": "a"})[-3] == 'Of 1 buckets: "on" none, "off" 0 to 0.'
    empty = {"fractional": [["on", 0]]}
    assert steps({"targetingKey": "u"}, rule=empty)[0] == (
        "The split draws nobody: its weights sum to 0 or to too much."
    )


def test_it_says_what_no_test_leads_to() -> None:
    assert steps({})[-2:] == [
        "No test holds, and nothing is said for that case.",
        "Answer: the default variant 'off', reason DEFAULT.",
    ]


def test_it_says_where_a_rule_fails() -> None:
    told = steps({"n": 0}, rule={"if": [{"/": [1, {"var": "n"}]}, "on", "off"]})
    assert told[0] == "1 / n: fails, ZeroDivisionError: division by zero (n is 0)."
    assert told[-1].startswith("Answer: an error, GENERAL.")
    told = steps({"targetingKey": 7}, rule={"fractional": [["on", 1]]})
    assert told[0].startswith("The split fails: TypeError")


def test_it_explains_flags_without_a_rule() -> None:
    text = json.dumps(
        {"flags": {"f": json.loads(document())["flags"]["f"] | {"state": "DISABLED"}}}
    )
    assert explained(taken(text), "f", {}, NOW).steps == (
        "The flag is disabled; the default in the caller's code answers.",
        "Answer: the default in the caller's code, reason DISABLED.",
    )
    assert explained(taken(document()), "f", {}, NOW).steps[0] == (
        "The flag has no rule; everybody gets the default variant."
    )
    assert explained(taken(document()), "g", {}, NOW).steps == ("The definition has no flag 'g'.",)


def test_what_a_caller_sent_cannot_drive_a_terminal() -> None:
    told = steps({"email": "\x1b[2J\u202e@company.com"})
    assert told[0].isprintable()


@given(definition=DEFINITIONS, context=CONTEXTS)
def test_every_explanation_ends_where_evaluation_does(
    definition: dict[str, Any], context: dict[str, Any]
) -> None:
    for generation in Generation:
        compiled = taken(json.dumps(definition), generation)
        for key in definition["flags"]:
            explanation = explained(compiled, key, context, NOW)
            answered = compiled.evaluate(key, context, NOW)
            assert explanation.resolution == answered
            before = explanation.steps[-2] if len(explanation.steps) > 1 else ""
            bucket = re.search(r"which is bucket \d+: (.*)\.$", before)
            if bucket and answered.reason is Reason.TARGETING_MATCH:
                drawn = json.loads(bucket[1])
                name = str(drawn).lower() if isinstance(drawn, bool) else str(drawn)
                assert name == answered.variant
