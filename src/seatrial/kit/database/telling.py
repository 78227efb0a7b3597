"""What a database has done, as metrics."""

from seatrial.kit.database.database import Database
from seatrial.kit.metrics import Family, counter, gauge


def families(database: Database) -> list[Family]:
    """Queues and work of `database` since it was opened."""
    figures = database.figures
    return [
        gauge(
            "seatrial_database_waiting",
            "Use cases in the database's queues.",
            {("read",): figures.waiting_reads, ("write",): figures.waiting_writes},
            "kind",
        ),
        counter(
            "seatrial_database_transactions_total",
            "Use cases done.",
            {("read",): figures.reads, ("write",): figures.writes},
            "kind",
        ),
        counter(
            "seatrial_database_commits_total", "Groups committed.", {(): figures.commits}
        ),
        counter(
            "seatrial_database_undone_total", "Use cases that failed.", {(): figures.undone}
        ),
        counter(
            "seatrial_database_refused_total", "Use cases that found a full queue.",
            {(): figures.refused},
        ),
    ]  # fmt: skip
