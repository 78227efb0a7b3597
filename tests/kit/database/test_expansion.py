from pathlib import Path

import pytest

from seatrial.kit.database.expansion import findings
from tests.kit.database.revisions import Workshop, small_shop

MADE = (
    'op.create_table("made", Column("id", Int64), Column("a", Text, nullable=False))',
    'op.create_unique_constraint("u", "made", ["a"])',
    'op.drop_column("made", "a")',
)


def after_the_shop(tmp_path: Path, *body: str) -> tuple[str, ...]:
    return findings(small_shop(tmp_path).add(*body).history())


@pytest.mark.parametrize(
    "body",
    [
        ('op.create_table("other", Column("id", Int64), Column("x", Text, nullable=False))',),
        ('op.add_column("item", Column("note", Text))',),
        ('op.add_column("item", Column("n", Int64, nullable=False, server_default="0"))',),
        ('op.create_index("i", "item", ["price"])',),
        ('op.execute("UPDATE item SET price = 8")',),
        ('with op.batch_alter_table("item") as batch:', '    batch.add_column(Column("x", Text))'),
        (
            'made = op.create_table("other", Column("id", Int64))',
            'op.bulk_insert(made, [{"id": 1}])',
        ),
        MADE,
    ],
)
def test_a_step_may_add(tmp_path: Path, body: tuple[str, ...]) -> None:
    assert after_the_shop(tmp_path, *body) == ()


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        ('op.drop_table("item")', "drops table 'item'"),
        ('op.rename_table("item", "ware")', "renames table 'item'"),
        ('op.drop_column("item", "price")', "drops column item.price"),
        ('op.drop_constraint("pk_item", "item")', "drops constraint 'pk_item'"),
        ('op.drop_index("i", "item")', "drops index 'i'"),
        ('op.alter_column("item", "price", new_column_name="cost")', "renames column item.price"),
        ('op.alter_column("item", "price", type_=Text)', "changes the type of column item.price"),
        (
            'op.alter_column("item", "price", nullable=True)',
            "changes whether column item.price may be NULL",
        ),
        (
            'op.add_column("item", Column("n", Int64, nullable=False))',
            "adds column item.n NOT NULL without a default",
        ),
        (
            'op.create_index("i", "item", ["price"], unique=True)',
            "forbids in 'item' what older code may write",
        ),
        (
            'op.create_unique_constraint("u", "item", ["price"])',
            "forbids in 'item' what older code may write",
        ),
        (
            'op.create_check_constraint("c", "item", "price > 0")',
            "forbids in 'item' what older code may write",
        ),
        (
            'op.create_foreign_key("f", "item", "item", ["price"], ["id"])',
            "forbids in 'item' what older code may write",
        ),
        ('op.execute("ALTER TABLE item DROP price")', "runs SQL that may take away: ALTER"),
        ('op.execute("delete from item")', "runs SQL that may take away: DELETE"),
        (
            'if op.get_context().dialect.name == "postgresql": op.drop_table("item")',
            "drops table 'item'",
        ),
    ],
)
def test_a_step_may_not_take_away(tmp_path: Path, body: str, finding: str) -> None:
    assert after_the_shop(tmp_path, body) == (f"shop 0004: {finding}",)


def test_a_step_may_not_take_away_inside_a_batch_either(tmp_path: Path) -> None:
    found = after_the_shop(
        tmp_path, 'with op.batch_alter_table("item") as batch:', '    batch.drop_column("price")'
    )
    assert found == ("shop 0004: drops column item.price",)


def test_a_contraction_may_take_away_what_no_code_in_use_needs(tmp_path: Path) -> None:
    drop = 'op.drop_column("item", "price")'
    workshop = small_shop(tmp_path).add(drop, since="0003", contraction=True)
    assert findings(workshop.history()) == ()


@pytest.mark.parametrize(
    ("since", "contraction", "finding"),
    [
        ("0001", True, "a contraction must move compatible_from"),
        ("0004", True, "compatible_from must name an earlier revision"),
        ("none", False, "compatible_from must name an earlier revision"),
    ],
)
def test_a_step_must_say_truly_which_code_it_suits(
    tmp_path: Path, since: str, contraction: bool, finding: str
) -> None:
    workshop = small_shop(tmp_path).add(since=since, contraction=contraction)
    (found,) = findings(workshop.history())
    assert finding in found


def test_what_is_gone_does_not_come_back(tmp_path: Path) -> None:
    workshop = small_shop(tmp_path).add(since="0003", contraction=True).add(since="0002")
    assert findings(workshop.history()) == (
        "shop 0005: compatible_from goes back; what is gone does not return",
    )


def test_the_first_step_suits_its_own_code(tmp_path: Path) -> None:
    assert findings(Workshop(tmp_path).add(since="none").history()) == (
        "shop 0001: the first revision is compatible from itself",
    )
