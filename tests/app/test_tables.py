"""Priors and boxes from TOML: what is wrong is named with its file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinetix.app.files import require_readable, require_writable, write_text
from kinetix.app.tables import read_box, read_priors, read_truth
from kinetix.errors import DataError, KinetixError, SettingError


def written(folder: Path, text: str) -> Path:
    path = folder / "t.toml"
    path.write_text(text)
    return path


def test_priors_and_boxes_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "[prior]\nkon = {log_uniform = [0.01, 10]}\ndm = 1.0\n[box]\nkon = [0, 2]\n")
    priors = read_priors(path)
    assert priors["kon"].bounds() == (0.01, 10)
    assert priors["dm"].bounds() == (1, 1)
    assert read_box(path) == {"kon": (0, 2)}


def test_a_byte_order_mark_is_no_part_of_the_table(tmp_path: Path) -> None:
    """Mutant: plain UTF-8, by which files of some editors are not TOML."""
    path = tmp_path / "t.toml"
    path.write_bytes(b"\xef\xbb\xbf[prior]\nkon = 2\n")
    assert read_priors(path)["kon"].bounds() == (2, 2)


def test_a_file_of_priors_is_a_box_too(tmp_path: Path) -> None:
    path = written(tmp_path, "[prior]\nkon = {log_uniform = [0.01, 10]}\n")
    assert read_box(path)["kon"].bounds() == (0.01, 10)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[prior]\nkon = {log_unifrom = [1, 2]}", "did you mean 'log_uniform'"),
        ("[prior]\nkon = {uniform = [2, 1]}", "kon"),
        ("[prior]\nkon = {uniform = [1]}", "uniform"),
        ("[prior]\nkon = {uniform = ['a', 2]}", "numbers"),
        ("[prior]\nkon = 'x'", "not a prior"),
        ("[piror]\nkon = {uniform = [1, 2]}", "did you mean [prior]"),
        ("[prior]\nkon = {uniform = [1, 2]}\nkon = 3", "not TOML"),
        ("[prior]", "there is no table [prior]"),
        ("kon = 3", "unknown table"),
        ("[prior", "not TOML"),
    ],
)
def test_bad_priors_name_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(KinetixError) as caught:
        read_priors(path)
    assert words in str(caught.value)
    assert caught.value.file == str(path)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("value", ["[1]", "['a', 1]", "3", "{uniform = [1, 2]}", "[1, inf]", "[true, 2]"])
def test_bad_boxes_name_file_and_key(tmp_path: Path, value: str) -> None:
    path = written(tmp_path, f"[box]\nkon = {value}")
    with pytest.raises(DataError, match="not two numbers") as caught:
        read_box(path)
    assert (caught.value.file, caught.value.place) == (str(path), "[box] kon")


def test_absent_folders_and_other_encodings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "wide.toml").write_bytes("[prior]\n".encode("utf-16"))
    for path, words in ((tmp_path / "no.toml", "no such"), (tmp_path, "folder"), (tmp_path / "wide.toml", "UTF-8")):
        with pytest.raises(DataError, match=words):
            read_priors(path)


def test_outputs_are_judged_before_a_long_run(tmp_path: Path) -> None:
    require_writable(None, (".nc",), "option --output")
    require_writable(tmp_path / "a.nc", (".nc",), "option --output")
    with pytest.raises(SettingError, match=r"\.nc"):
        require_writable(tmp_path / "a.txt", (".nc",), "option --output")
    with pytest.raises(SettingError, match="no folder"):
        require_writable(tmp_path / "no" / "a.nc", (".nc",), "option --output")
    with pytest.raises(DataError, match="folder"):
        require_readable(tmp_path, "model file")


def test_files_are_written_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "a.csv", "1\n")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.csv", "1\n")]


def test_known_values_are_numbers(tmp_path: Path) -> None:
    assert read_truth(written(tmp_path, "[truth]\nkon = 0.3\n")) == {"kon": 0.3}
    with pytest.raises(DataError, match="not a number"):
        read_truth(written(tmp_path, "[truth]\nkon = 'x'\n"))
