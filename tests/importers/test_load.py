"""Files at the door: which reader, and how a bad file is refused in one line that names it."""

import subprocess
import sys
from pathlib import Path

import pytest

import kinetix
from kinetix.errors import KinetixError, ModelError, SettingError, UnsupportedFeature
from kinetix.importers import load

DECAY = "species X = 3; k = 2\ndecay: X -> ; k*X\n"


@pytest.mark.parametrize("ending", [".ant", ".txt", ".ANT"])
def test_the_ending_chooses_the_reader(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"decay{ending}"
    path.write_text(DECAY)
    network = load(path)
    assert (network.name, network.source) == ("decay", path.name)
    assert load(str(path)).fingerprint == network.fingerprint == kinetix.load(path).fingerprint


def test_the_format_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "decay.model"
    path.write_text(DECAY)
    assert load(path, format="dsl").reactions[0].name == "decay"


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "decay.ant"
    path.write_bytes(b"\xef\xbb\xbf" + DECAY.encode())
    assert len(load(path).reactions) == 1


def refusal(path: Path, **options: object) -> KinetixError:
    with pytest.raises(KinetixError) as caught:
        load(path, **options)  # type: ignore[arg-type]
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return caught.value


def test_a_missing_file_names_its_near_miss(tmp_path: Path) -> None:
    (tmp_path / "telegraph.ant").write_text(DECAY)
    assert "there is no such file; did you mean 'telegraph.ant'?" in str(refusal(tmp_path / "telegraf.ant"))
    assert "check the path" in str(refusal(tmp_path / "nowhere" / "x.ant"))


def test_a_folder_an_unknown_ending_and_bad_bytes(tmp_path: Path) -> None:
    assert "is a folder" in str(refusal(tmp_path))
    other, bare, binary = tmp_path / "model.docx", tmp_path / "model", tmp_path / "model.ant"
    for path in (other, bare):
        path.write_text(DECAY)
        assert "names no known format; use one of .xml" in str(refusal(path))
    binary.write_bytes(b"species X = 1\n\xff\xfe")
    assert "byte 14 (0xff) is not UTF-8 text" in str(refusal(binary))
    binary.write_bytes(bytes(range(128)))
    assert "unexpected" in str(refusal(binary))


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "decay.ant"
    path.write_text(DECAY)

    def forbidden(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    assert "cannot be read: Permission denied" in str(refusal(path))


def test_a_file_too_large_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.ant"
    path.write_text("# " + "x" * 5_000_001)
    assert "the limit is 5,000,000" in str(refusal(path))


def test_a_mistake_in_a_file_has_file_place_reason_mend_and_picture(tmp_path: Path) -> None:
    path = tmp_path / "decay.ant"
    path.write_text(DECAY.replace("k*X", "kk*X"))
    error = refusal(path)
    assert isinstance(error, ModelError)
    assert str(error) == f"{path}: line 2, column 15: unknown name 'kk'; did you mean 'k'?"
    assert error.excerpt == "2 | decay: X -> ; kk*X\n  |               ^"
    path.write_text(DECAY + 'import "other.ant"')
    assert isinstance(refusal(path), UnsupportedFeature)


@pytest.mark.parametrize(
    "options", [{"law": "autos"}, {"format": "sbmll"}, {"scale": 2.0}], ids=["law", "format", "scale"]
)
def test_options_that_do_not_exist_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    path = tmp_path / "decay.ant"
    path.write_text(DECAY)
    with pytest.raises(SettingError):
        load(path, **options)  # type: ignore[arg-type]


def test_opening_the_package_loads_no_reader() -> None:
    code = "import kinetix.importers, sys; print(sorted({'lark', 'libsbml', 'sympy', 'numpy'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"
