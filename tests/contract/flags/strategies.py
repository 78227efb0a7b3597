"""Definitions and contexts as nobody would write them, and as everybody does."""

from typing import Any, Final

from hypothesis import strategies as st

from seatrial.contract.flags.splits import LARGEST_TOTAL

NAMES: Final = (
    "targetingKey", "email", "n", "list", "nested", "nested.a", "nested.list.0", "list.1",
    "list.length", "email.0", "missing", "version", "flag", "1", "$flagd.flagKey",
    "$flagd.timestamp", "$flagd", "nested.missing.x", "list.-1", "list.01", "email.length.x",
)  # fmt: skip
TEXTS: Final = st.one_of(
    st.sampled_from(
        ("", "a", "on", "off", "true", "1", " 1 ", "1e3", "1_0", "inf", "Infinity", "nan", "0x10",
         "jon@company.com", "@company.com", "j", "Größe", "日本", "🛳", "v1.2", "1.2.3-alpha.1",
         "1.2.3-alpha.beta", "1.2.3+b-5", "01.2.3", "1.2.3.4", "None", "null", "0", "-0", "user-1")
    ),
    st.text(max_size=5),
)  # fmt: skip
NUMBERS: Final = st.one_of(
    st.integers(-3, 3),
    st.sampled_from((10, 100, 2**31, 2**53, -(2**63), 2**64, 2**70, -(2**70), 10**30)),
    st.sampled_from((0.0, -0.0, 0.5, 1.0, -1.5, 1e16, 1e21, 1e300, 5e-324, 65504.0, 0.1)),
)
SCALARS: Final = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
_ODD_SCALARS: Final = st.one_of(
    SCALARS, st.sampled_from((float("nan"), float("inf"), -float("inf"), "x" * 300))
)
VALUES: Final = st.recursive(
    _ODD_SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(("a", "list", "1", "targetingKey", "é")), inner, max_size=3
        ),
    ),
    max_leaves=6,
)
USERS: Final = st.one_of(st.from_regex(r"user-[0-9]{1,4}", fullmatch=True), TEXTS)
CONTEXTS: Final[st.SearchStrategy[dict[str, Any]]] = st.fixed_dictionaries(
    {"targetingKey": st.one_of(USERS, USERS, USERS, st.none(), VALUES)},
    optional={
        "email": st.one_of(TEXTS, VALUES),
        "n": st.one_of(NUMBERS, VALUES),
        "list": st.one_of(st.lists(SCALARS, max_size=4), VALUES),
        "nested": st.fixed_dictionaries(
            {}, optional={"a": VALUES, "list": st.lists(VALUES, max_size=3)}
        ),
        "version": st.one_of(TEXTS, VALUES),
        "flag": st.booleans(),
        "1": VALUES,
    },
)


def _many(inner: st.SearchStrategy[Any], least: int, most: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(inner, min_size=least, max_size=most)


def _rules(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named = st.sampled_from(NAMES).map(lambda name: {"var": name})
    return st.one_of(named, inner.filter(lambda rule: isinstance(rule, dict)))


def _splits(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    rule = _rules(inner)
    weight = st.one_of(
        st.integers(0, 100), st.sampled_from((0, 1, 2.0, LARGEST_TOTAL, 2**31)), rule
    )
    arm = st.one_of(
        st.tuples(st.one_of(st.sampled_from(("on", "off")), inner), weight).map(list),
        st.tuples(st.sampled_from(("on", "off", True, None))).map(list),
    )
    arms = st.one_of(
        _many(arm, 1, 3),
        st.integers(0, 100).map(lambda share: [["on", share], ["off", 100 - share]]),
        st.lists(st.integers(0, 100), min_size=1, max_size=4).map(
            lambda weights: [[("on", "off")[at % 2], weight] for at, weight in enumerate(weights)]
        ),
    )
    by_rule = st.tuples(rule, st.one_of(arms, st.just([])))
    args = st.one_of(arms, by_rule.map(lambda parts: [parts[0], *parts[1]]))
    return args.map(lambda given: {"fractional": given})


def _operations(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    name = st.sampled_from(NAMES)
    of_item = [{"var": name} for name in ("", "a", "1", "current", "accumulator")]
    item = st.one_of(inner, st.sampled_from(of_item))
    items = st.one_of(
        _many(inner, 0, 3), st.just({"var": "list"}), st.just({"var": "nested.list"}), inner
    )
    rule = _rules(inner)
    version = st.one_of(rule, TEXTS)
    two = _many(inner, 2, 2)
    args: dict[str, st.SearchStrategy[Any]] = {
        **dict.fromkeys(("if", "and", "or"), _many(inner, 1, 5)),
        **dict.fromkeys(("+", "-", "max", "min", "merge", "cat"), _many(inner, 1, 3)),
        **dict.fromkeys(("==", "===", "!=", "!==", ">", ">=", "%", "/", "in"), two),
        **dict.fromkeys(("<", "<=", "substr"), _many(inner, 2, 3)),
        **dict.fromkeys(("map", "filter", "all", "none", "some"), st.tuples(items, item).map(list)),
        **dict.fromkeys(("!", "!!"), st.one_of(_many(inner, 1, 1), rule)),
        **dict.fromkeys(
            ("starts_with", "ends_with"), _many(st.one_of(TEXTS, rule), 2, 2)
        ),
        "*": _many(inner, 2, 3),
        "reduce": st.tuples(items, item, SCALARS).map(list),
        "var": st.one_of(
            name,
            st.tuples(name, inner).map(list),
            st.sampled_from(("", 1, 0.5, None)),
            st.tuples(st.one_of(name, inner)).map(list),
        ),
        "missing": _many(name, 0, 3),
        "missing_some": st.tuples(st.integers(-1, 3), _many(name, 0, 3)).map(list),
        "sem_ver": st.tuples(
            version, st.sampled_from(("=", "!=", ">", "<", ">=", "<=", "~", "^")), version
        ).map(list),
        "fractional": _splits(inner).map(lambda split: split["fractional"]),
    }  # fmt: skip
    return st.sampled_from(tuple(args)).flatmap(
        lambda operator: args[operator].map(lambda given: {operator: given})
    )


_LEAVES: Final = st.one_of(
    SCALARS,
    st.sampled_from(NAMES).map(lambda name: {"var": name}),
    st.lists(SCALARS, max_size=3),
)
RULES: Final = st.recursive(_LEAVES, _operations, max_leaves=8)
_CHOSEN: Final = st.sampled_from(("on", "off", "off", None, True, 1))
_SPLITS: Final = _splits(RULES)
TARGETINGS: Final = st.one_of(
    _operations(RULES),
    _SPLITS,
    st.tuples(RULES, _CHOSEN, _CHOSEN).map(lambda args: {"if": list(args)}),
    st.tuples(RULES, _SPLITS, RULES, _CHOSEN, _SPLITS).map(lambda args: {"if": list(args)}),
    st.tuples(RULES, _CHOSEN, RULES, _CHOSEN).map(lambda args: {"if": list(args)}),
    st.just({}),
)
METADATA: Final = st.dictionaries(
    st.sampled_from(("owner", "é")), st.one_of(st.booleans(), TEXTS), max_size=2
)
VARIANTS: Final = st.sampled_from(
    (
        {"on": True, "off": False},
        {"true": True, "false": False},
        {"on": "yes", "off": "no", "1": "one", "None": "none", "[]": "list"},
        {"on": 1, "off": 0},
        {"on": 1.5, "off": 2, "1.0": 3},
        {"on": {"a": [1]}, "off": {}},
    )
)
FLAGS: Final = st.fixed_dictionaries(
    {
        "state": st.sampled_from(("ENABLED",) * 19 + ("DISABLED",)),
        "variants": VARIANTS,
        "defaultVariant": st.sampled_from(("on", "off", "off", "off", None, "", "gone")),
        "targeting": TARGETINGS,
    },
    optional={"metadata": METADATA},
)
DEFINITIONS: Final[st.SearchStrategy[dict[str, Any]]] = st.fixed_dictionaries(
    {"flags": st.dictionaries(st.sampled_from(("new-checkout", "é", "f")), FLAGS, min_size=3)},
    optional={"metadata": METADATA},
)
