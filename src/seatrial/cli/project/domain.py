"""What can be wrong with a project, before anything is sent."""

from seatrial.kit.errors import BadUpstream, Failed, Invalid, NotFound, TimedOut, Unavailable


class ProjectMissing(NotFound):
    """There is no seatrial.toml in {folder!r} nor above it."""

    code = "project_missing"
    cause = "The command works on a project: the folder that holds seatrial.toml."
    remedy = "Change into the project, name it with `--project`, or begin one: `seatrial init`."


class ProjectInvalid(Invalid):
    """{path!r} is wrong: {findings}."""

    code = "project_invalid"
    cause = "A field is unknown, missing or of the wrong kind, or names a file that is not there."
    remedy = "Mend the named places; docs/reference/project.md lists every field."


class ProjectExists(Invalid):
    """{path!r} is there already."""

    code = "project_exists"
    cause = "`seatrial init` overwrites nothing."
    remedy = "Choose an empty folder, or move the file away."


class EntryFileMissing(NotFound):
    """The entry {entry!r} names no file of this project{hint}."""

    code = "entry_file_missing"
    cause = "`entry` in seatrial.toml is `path/to/file.py:object`, from the project's folder."
    remedy = "Mend the path, or take the file out of `exclude` under `[bundle]`."


class EntryObjectMissing(NotFound):
    """{file!r} defines no {name!r} at its top level{hint}."""

    code = "entry_object_missing"
    cause = "`entry` in seatrial.toml names an object that the file does not define."
    remedy = "Name a function that the file defines, or define it."


class EntryUnparsable(Invalid):
    """{file!r} is no Python: {reason}."""

    code = "entry_unparsable"
    cause = "The entry's file has a syntax error, or is written for a later Python than this one."
    remedy = "Mend the line named, or run Seatrial on the Python that the agent is written for."


class BundleEntryRefused(Invalid):
    """The bundle may not hold {path!r}: it is {kind}."""

    code = "bundle_entry_refused"
    cause = "Links, pipes, sockets and devices mean another thing on every machine."
    remedy = "Put a copy in its place, or leave it out with `exclude` under `[bundle]`."


class BundleFileUnreadable(Failed):
    """Cannot read {path!r} into the bundle: {reason}."""

    code = "bundle_file_unreadable"
    cause = "The file went away or changed while it was read, or this user may not read it."
    remedy = "Mend its permissions, or leave it out with `exclude` under `[bundle]`."


class RequirementRefused(Invalid):
    """The requirement in line {line} of {source!r} is refused: {reason}."""

    code = "requirement_refused"
    cause = (
        "A release is built offline from wheels of an index: names and versions alone name them."
    )
    remedy = "Name the package and its version; put the index into the configuration of pip or uv."


class DependenciesUnresolved(Failed):
    """The dependencies cannot be resolved: {reason}."""

    code = "dependencies_unresolved"
    cause = "No set of versions satisfies all requirements, or a name is mistyped."
    remedy = "Loosen or mend the requirement named in the reason."


class WheelUnavailable(Failed):
    """A dependency has no wheel for this machine and Python {python}: {reason}."""

    code = "wheel_unavailable"
    cause = "A cell runs no build scripts: it installs wheels only, and this package ships none."
    remedy = "Choose a version that ships a wheel, or build one and put it where pip finds it."


class IndexUnreachable(Unavailable):
    """The package index cannot be reached: {reason}."""

    code = "index_unreachable"
    cause = "There is no network, a proxy is missing, or the index's address is wrong."
    remedy = "Check `pip config list` and your network; a project without dependencies needs none."


class BuildToolFailed(Failed):
    """{tool!r} failed: {reason}."""

    code = "build_tool_failed"
    cause = "A program that Seatrial starts to lock or fetch dependencies ended with an error."
    remedy = "Mend the reason; run the command again with `--relock` if it repeats."


class BuildToolSlow(TimedOut):
    """{tool!r} did not end within {seconds} s."""

    code = "build_tool_slow"
    cause = "The package index is slow, or there is very much to fetch."
    remedy = "Try again; what was fetched whole is kept."


class AgentProcessEnded(BadUpstream):
    """The agent's process ended by itself: {reason}."""

    code = "agent_process_ended"
    cause = "The agent called `os._exit`, crashed in native code, or was killed."
    remedy = "Look at the lines that it printed last."


class AgentRaised(Failed):
    """The agent failed: {reason}."""

    code = "agent_failed_here"
    cause = "The agent's own code raised, or returned something that is not JSON."
    remedy = "Read the trace above; it shows the agent's own lines."


class SampleInvalid(Invalid):
    """The input is wrong: {reason}."""

    code = "sample_invalid"
    cause = "Inputs are JSON; a file of cases holds one JSON object a line, with `input` in it."
    remedy = "Mend the place named. Text that is no JSON must stand in quotes to be a JSON string."
