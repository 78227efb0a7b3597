"""A release: an immutable manifest that pins every component of an agent by digest."""

import re
from typing import Annotated, Final, Literal

from pydantic import Field

from seatrial.contract.documents import DigestField, Document, DocumentInvalid, Slug
from seatrial.contract.releases.actions import Tool
from seatrial.contract.releases.components import Code, Component, Kind, Limits, Model, Prompt
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import Invalid

MOST_COMPONENTS: Final = 500
_NAME: Final = re.compile(r"(?P<agent>[a-z][a-z0-9-]{0,62})@(?P<number>[1-9][0-9]{0,8})\Z")


class ReleaseNameMalformed(Invalid):
    """{text!r} names no release."""

    code = "release_name_malformed"
    cause = "A release is named `agent@number`, such as `support@14`, or by its digest `sha256:…`."
    remedy = "List what there is with `seatrial releases list`."


class ReleaseAltered(Invalid):
    """The release {digest} is not what its name says: {reason}."""

    code = "release_altered"
    cause = "A release is named by the digest of its content, and this content has another digest."
    remedy = "Fetch it again from where it was deployed; if it repeats, the store was altered."


class Manifest(Document):
    """What a release is: its digest is the release's name.

    Attributes:
        format: of this document.
        agent: whose release.
        components: digest of each component by its address `kind/name`.
    """

    format: Literal[1] = 1
    agent: Slug
    components: Annotated[dict[str, DigestField], Field(min_length=1, max_length=MOST_COMPONENTS)]


class Release(Document):
    """A manifest with the components that it names, checked against it.

    Use `assemble` to make one and `opened` to check one that came from elsewhere.
    """

    manifest: Manifest
    components: tuple[Component, ...]

    @property
    def name(self) -> Digest:
        """The digest by which everybody names it."""
        return self.manifest.digest

    def of(self, kind: Kind) -> dict[str, Component]:
        """The components of one kind by name."""
        return {each.name: each for each in self.components if each.kind is kind}

    @property
    def code(self) -> Code:
        """The code component; every release has exactly one."""
        (only,) = self.of(Kind.CODE).values()
        return Code.read(only.body)

    @property
    def limits(self) -> Limits:
        """Its limits; none set where it has no such component."""
        found = self.of(Kind.LIMITS)
        return Limits.read(next(iter(found.values())).body) if found else Limits()

    @property
    def prompts(self) -> dict[str, Prompt]:
        """Prompts by name."""
        return {name: Prompt.read(each.body) for name, each in self.of(Kind.PROMPT).items()}

    @property
    def models(self) -> dict[str, Model]:
        """Model pins by name."""
        return {name: Model.read(each.body) for name, each in self.of(Kind.MODEL).items()}

    @property
    def tools(self) -> dict[str, Tool]:
        """Typed actions by name."""
        return {name: Tool.read(each.body) for name, each in self.of(Kind.TOOL).items()}

    @property
    def blobs(self) -> dict[Digest, str]:
        """What must be at hand to run it, by digest: the bundle and the wheels' file names."""
        code = self.code
        return {code.bundle: "bundle", **{wheel.content: wheel.file for wheel in code.wheels}}


def assemble(agent: str, components: tuple[Component, ...]) -> Release:
    """The release of these components, in an order of no importance.

    Raises:
        DocumentInvalid: there is not exactly one code component, a limit set stands twice, an
            address repeats, or a body is wrong.
    """
    ordered = tuple(sorted(components, key=lambda each: each.address))
    addresses = [each.address for each in ordered]
    if len(set(addresses)) != len(addresses):
        twice = next(each for each in addresses if addresses.count(each) > 1)
        raise DocumentInvalid(kind="release", findings=f"{twice} stands twice")
    kinds = [each.kind for each in ordered]
    if kinds.count(Kind.CODE) != 1 or kinds.count(Kind.LIMITS) > 1:
        raise DocumentInvalid(
            kind="release", findings="it needs one code component and at most one set of limits"
        )
    for each in ordered:
        each.typed()
    manifest = Manifest.read(
        {"agent": agent, "components": {each.address: str(each.digest) for each in ordered}}
    )
    return Release(manifest=manifest, components=ordered)


def opened(document: object, digest: Digest) -> Release:
    """The release that `document` holds, if it is the one named `digest`.

    Raises:
        DocumentInvalid: it is no release.
        ReleaseAltered: it is another one, or its parts are not those that its manifest pins.
    """
    release = Release.read(document)
    if release.name != digest:
        raise ReleaseAltered(digest=str(digest), reason=f"its manifest is {release.name}")
    again = assemble(release.manifest.agent, release.components)
    if again.manifest != release.manifest:
        raise ReleaseAltered(digest=str(digest), reason="a component is not the one pinned")
    return again


def parse_name(text: str) -> tuple[str, int] | Digest:
    """What a person wrote for a release: `support@14`, or a digest.

    Raises:
        ReleaseNameMalformed: neither.
    """
    match = _NAME.match(text)
    if match is not None:
        return match["agent"], int(match["number"])
    if not re.match(r"sha256:[0-9a-f]{64}\Z", text):
        raise ReleaseNameMalformed(text=text)
    return Digest.parse(text)
