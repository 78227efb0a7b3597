"""What can go wrong with a database, under the same names on SQLite and PostgreSQL."""

import enum

from seatrial.kit.errors import Conflict, Failed, Invalid, TimedOut, Unavailable


class DatabaseUrlInvalid(Invalid):
    """The database URL is not usable: {reason}."""

    code = "database_url_invalid"
    cause = "The URL names no file, no host or no database, or carries an option nobody knows."
    remedy = (
        "Write `sqlite:////var/lib/seatrial/cell.db` or `postgresql://user@host:5432/database`;"
        " in a password, percent-encode the characters `@`, `:`, `/` and `%`."
    )


class DatabasePathUnusable(Invalid):
    """The database file {path!r} cannot be used: {reason}."""

    code = "database_path_unusable"
    cause = (
        "The path is a directory, this user may not write there, or the file system (often a"
        " network one) cannot share memory between processes, which SQLite's log needs."
    )
    remedy = "Give a path on a local disk, in a directory that this user may write."


class DatabaseInUse(Conflict):
    """The database {database!r} belongs to a running process, {owner}."""

    code = "database_in_use"
    cause = "One process writes to an SQLite file; a second one was started on the same file."
    remedy = "Stop the other process, give this one a file of its own, or move to PostgreSQL."


class DatabaseUnreachable(Unavailable):
    """The database {database!r} does not answer: {reason}."""

    code = "database_unreachable"
    cause = "The server is down, restarting or read-only, or the network between is cut."
    remedy = "Start the server or mend the network; Seatrial connects again by itself."


class DatabaseAccessRefused(Failed):
    """The database server refuses access to {database!r}: {reason}."""

    code = "database_access_refused"
    cause = "The role, its password, its rights or the database's name is wrong."
    remedy = "Check the URL against the server's roles, databases and `pg_hba.conf`."


class DatabaseVersionUnsupported(Failed):
    """The database is of version {found}; Seatrial needs {needed} or later."""

    code = "database_version_unsupported"
    cause = "The server, or the SQLite that this Python brings, lacks what Seatrial builds on."
    remedy = "Upgrade the server, or run a Python with a newer SQLite."


class DatabaseBusy(Unavailable):
    """The database could not take the work in time: {reason}."""

    code = "database_busy"
    cause = "More work arrives than the database does, or many transactions want the same rows."
    remedy = "Try again later; if it stays so, look at slow statements, then at the machine's size."


class DatabaseTimedOut(TimedOut):
    """A transaction ran longer than its {seconds} s and was undone."""

    code = "database_timed_out"
    cause = "A statement reads or changes too much at once, or waits for something outside."
    remedy = "Ask for less at once; nothing was changed."


class DatabaseFull(Unavailable):
    """The database {database!r} has no room to write; nothing of this transaction was saved."""

    code = "database_full"
    cause = "The disk, a quota or a limit on file size is used up, or the disk refuses writes."
    remedy = "Make room or mend the disk; reads go on meanwhile, and writing resumes by itself."


class DatabaseCorrupt(Failed):
    """The database {database!r} is damaged, or is no database: {reason}."""

    code = "database_corrupt"
    cause = (
        "The file was cut, overwritten or copied while in use, is another file, or a disk fails."
    )
    remedy = "Stop, keep the damaged file aside, and restore the latest backup."


class DatabaseIoFailed(Failed):
    """Reading or writing the database {database!r} failed: {reason}."""

    code = "database_io_failed"
    cause = "The disk or its file system reports an error."
    remedy = "Look at the machine's system log; move the database to a healthy disk."


class CommitUnknown(Failed):
    """The database {database!r} failed during a commit: the change may or may not be saved."""

    code = "commit_unknown"
    cause = (
        "The connection broke after the commit was sent and before its answer came, or the disk"
        " failed to confirm what it had taken."
    )
    remedy = "Look whether the change is there before you repeat it."


class DatabaseClosed(Unavailable):
    """The database is closed in this process."""

    code = "database_closed"
    cause = "The process is shutting down."
    remedy = "Try again once it has started anew."


class ValueNotStorable(Invalid):
    """A value cannot be stored: {reason}."""

    code = "value_not_storable"
    cause = "A number is out of range, or a text holds a character that databases refuse, as NUL."
    remedy = "Correct the value."


class Violation(enum.StrEnum):
    """Which kind of promise of the schema a statement would have broken."""

    UNIQUE = "unique"
    FOREIGN_KEY = "foreign key"
    NOT_NULL = "not null"
    CHECK = "check"


class IntegrityViolated(Conflict):
    """The {violation} constraint {constraint!r} refuses the change.

    `constraint` is its name, the same on both databases for tables made with
    `dialects.metadata()`; for `not null` it is `table.column`. SQLite does not say which foreign
    key was broken: the name is empty where the table has several.
    """

    code = "integrity_violated"
    cause = "The row exists already, or names another row that does not exist."
    remedy = "Read the present state, then decide anew."


class SchemaTooNew(Conflict):
    """Schema {history!r} of the database is at {found!r}; this program knows {known!r} at most."""

    code = "schema_too_new"
    cause = (
        "A later version of Seatrial has changed the database in a way this one cannot live with."
    )
    remedy = "Start the version that made the change, or a later one."


class SchemaUnknown(Conflict):
    """Schema {history!r} of the database has revision {found!r} where {expected!r} should be."""

    code = "schema_unknown"
    cause = "The database was made by another program, or by a development version that is gone."
    remedy = "Check the database URL; restore a backup made by a released version."


class SchemaBehind(Conflict):
    """Schema {history!r} of the database is at {found!r}; this program needs {needed!r}."""

    code = "schema_behind"
    cause = "The database was opened to be read only, and its owner has not upgraded it yet."
    remedy = "Start the process that owns the database once; it upgrades the schema."
