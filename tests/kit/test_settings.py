import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from seatrial.kit.settings import (
    ProcessSettings,
    Section,
    SettingsInvalid,
    SettingsMissing,
    SettingsTooLarge,
    SettingsUnreadable,
    load,
)


class Sail(Section):
    area: int = Field(10, ge=1)
    colour: str = "white"


class Boat(ProcessSettings):
    sail: Sail = Sail()


def _file(folder: Path, content: str | bytes) -> Path:
    path = folder / "boat.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_without_a_file_the_defaults_hold() -> None:
    assert load(Boat, None) == Boat(sail=Sail(area=10, colour="white"))


def test_the_environment_beats_the_file_and_the_file_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _file(tmp_path, '[sail]\narea = 20\ncolour = "red"\n')
    monkeypatch.setenv("SEATRIAL_SAIL__AREA", "30")
    assert load(Boat, path).sail == Sail(area=30, colour="red")


def test_settings_do_not_change_after_they_are_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(load(Boat, None).sail, "area", 3)  # noqa: B010 - mypy knows it is frozen


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[sail]\naera = 2\n", "sail.aera: there is no such field, did you mean 'area'?"),
        ("[sial]\n", "sial: there is no such field, did you mean 'sail'?"),
        ("[sail]\narea = 0\n", "sail.area: input should be greater than or equal to 1"),
        ("sail = 3\n", "sail: input should be"),
        ("[mast.x.y]\n", "mast: there is no such field"),
        ("[sail]\narea=0\ncolour=1\n", "sail.colour: input should be a valid string"),
    ],
)
def test_a_wrong_field_is_named_with_its_place(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(Boat, _file(tmp_path, content))
    assert said in caught.value.message


def test_a_wrong_value_is_never_quoted(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(Boat, _file(tmp_path, '[sail]\narea = "hunter2-password"\n'))
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    "variable", ["SEATRIAL_SAIL__AERA", "SEATRIAL_SIAL__AREA", "seatrial_sail__aera"]
)
def test_a_mistyped_variable_is_refused_and_not_ignored(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "3")
    with pytest.raises(SettingsInvalid, match="did you mean SEATRIAL_SAIL__AREA"):
        load(Boat, None)


def test_variables_of_other_uses_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_TOKEN", "x")
    assert load(Boat, None) == Boat()


def test_a_variable_that_is_no_section_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_SAIL", "{")
    with pytest.raises(SettingsInvalid, match="the environment"):
        load(Boat, None)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[sail", b"a = 1\na = 2", b"a = " + b"[" * 9999])
def test_a_file_that_is_not_toml_is_refused_with_the_reason(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SettingsUnreadable):
        load(Boat, _file(tmp_path, content))


def test_missing_directory_and_huge_files_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(SettingsMissing):
        load(Boat, tmp_path / "none.toml")
    with pytest.raises(SettingsUnreadable, match="directory"):
        load(Boat, tmp_path)
    with pytest.raises(SettingsTooLarge):
        load(Boat, _file(tmp_path, b"#" * (1 << 20 | 1)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_give_settings_or_a_named_error(tmp_path: Path, content: bytes) -> None:
    with contextlib.suppress(SettingsInvalid, SettingsUnreadable):
        assert load(Boat, _file(tmp_path, content)) == Boat()
