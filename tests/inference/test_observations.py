"""Tables of cells: what is read, and what is refused by row and column."""

import math
from pathlib import Path

import numpy as np
import pytest

from kinetix.errors import DataError, KinetixError, SettingError
from kinetix.inference.observations import Observations
from kinetix.network import ReactionNetwork, Species

PSPF = Path(__file__).parents[2] / "examples" / "data" / "pspf.csv"
NETWORK = ReactionNetwork([Species("Gu", 1), Species("mRNA")], [], [])


def read(tmp_path, text, encoding="utf-8", **options):
    (tmp_path / "cells.csv").write_bytes(text.encode(encoding))
    return Observations.read_csv(tmp_path / "cells.csv", **options)


def shown(data):
    return {
        float(t): sorted((tuple(row), int(n)) for row, n in zip(states.tolist(), repeats, strict=True))
        for t, (states, repeats) in zip(data.times, data.rows, strict=True)
    }


def test_equal_rows_are_counted_once_and_times_are_sorted(tmp_path):
    data = read(tmp_path, "time,Gu,P\n2,0,5\n1,1,3\n2,0,5\n1,1,4\n2,1,5\n")
    assert data.species == ("Gu", "P")
    assert data.times.tolist() == [1.0, 2.0]
    assert shown(data) == {1.0: [((1, 3), 1), ((1, 4), 1)], 2.0: [((0, 5), 2), ((1, 5), 1)]}
    assert (data.cells, data.cells_at.tolist(), data.distinct, data.largest.tolist()) == (5, [2, 3], 4, [1, 5])
    assert sorted(map(tuple, data.counts(1).tolist())) == [(0, 5), (0, 5), (1, 5)]
    assert all(a.dtype == np.int64 for pair in data.rows for a in pair)
    assert str(data) == "5 cells at 2 times, species Gu, P, from cells.csv"


def test_python_and_file_give_the_same_digest_whatever_the_order(tmp_path):
    data = read(tmp_path, "time,A,B\n1,1,2\n3,4,5\n1,7,8\n")
    other = Observations.from_counts(["A", "B"], [3, 1, 1], [[4, 5], [7, 8], [1, 2]])
    assert data.digest == other.digest
    assert data.digest != Observations.from_counts(["A", "B"], [3, 1, 1], [[4, 5], [7, 8], [1, 3]]).digest
    assert data.digest != Observations.from_counts(["A", "C"], [3, 1, 1], [[4, 5], [7, 8], [1, 2]]).digest
    assert data.digest != Observations.from_counts(["A", "B"], [2, 1, 1], [[4, 5], [7, 8], [1, 2]]).digest


@pytest.mark.parametrize(
    "text", ["3", "3.0", "3.", " 3 ", "+3", "3e0", "0.3e1", "30E-1", "003", "٣", '"3"', "3.000000000000000000000"]
)
def test_whole_numbers_in_any_dress(tmp_path, text):
    assert shown(read(tmp_path, f"time,A\n1,{text}\n")) == {1.0: [((3,), 1)]}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("3.7", "3.7 is not a whole number"),
        ("1e-99999999", "not a whole number"),
        ("-2", "-2 is negative"),
        ("-0.5", "negative"),
        ("", "empty"),
        ("  ", "empty"),
        ("NA", "'NA' is not a count"),
        ("nan", "'nan' is not a count"),
        ("inf", "beyond"),
        ("1_000", "'1_000' is not a count"),
        ("0x10", "not a count"),
        ("9223372036854775808", "beyond 2"),
        ("1e99999999", "beyond 2"),
        ("=1+1", "not a count"),
        ("3,0", "fields"),
    ],
)
def test_anything_else_is_refused_by_row_and_column(tmp_path, text, why):
    with pytest.raises(DataError, match=why) as caught:
        read(tmp_path, f"time,A,rna\n1,5,6\n1,5,{text}\n1,2,3\n")
    assert caught.value.place in ("row 3, column 'rna'", "row 3")
    assert str(caught.value).startswith(str(tmp_path / "cells.csv"))


def test_the_largest_count_is_kept_exactly(tmp_path):
    data = read(tmp_path, "time,A\n1,9223372036854775807\n1,9007199254740993\n")
    assert data.rows[0][0].ravel().tolist() == [9007199254740993, 9223372036854775807]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("time,A\n", "no cells"),
        ("time,A\n1,2\n1\n", "row 3: 1 fields, not 2"),
        ("time,A\n1,2,3\n", "row 2: 3 fields"),
        ("time,A\n1,2\n\n1,2\n", "row 3: the row is empty"),
        ("time,A,\n1,2,\n", "column 3 has no name"),
        ("time,A,A\n1,2,3\n", "two columns 'A'"),
        ("0,5\n1,6\n", "holds no names but numbers.*header=False"),
        ("time\n1\n", "no column holds counts"),
        ("t,A\n1,2\n", "no column 'time': there is none; give time="),
        ("Time,TIME,A\n1,1,2\n", "several columns"),
        ("time,A\n-1,2\n", "row 2, column 'time': '-1' is not a time"),
        ("time,A\n,2\n", "the time is empty"),
        ("time,A\nnan,2\n", "not a time"),
        ("time,A\nx,2\n", "not a time"),
        ('time,A\n1,"2\n', "close every quotation mark"),
    ],
)
def test_tables_that_are_not_one_row_a_cell(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read(tmp_path, text)


def test_the_time_column_by_default(tmp_path):
    assert read(tmp_path, "TIME,A\n4,2\n").times.tolist() == [4.0]
    exact = read(tmp_path, "Time,time,A\n7,4,2\n")
    assert (exact.times.tolist(), exact.species) == ([4.0], ("Time", "A"))
    assert read(tmp_path, "hours,A\n4,2\n", time="hours").times.tolist() == [4.0]
    assert read(tmp_path, "hours,A\n4,2\n", columns={"hours": "time"}).times.tolist() == [4.0]
    assert read(tmp_path, "A\n2\n", time=5).times.tolist() == [5.0]
    assert read(tmp_path, "A\n2\n", time=math.inf).times.tolist() == [math.inf]
    assert read(tmp_path, "time,A\ninf,2\n3,2\n").times.tolist() == [3.0, math.inf]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"time": "hour"}, "no column 'hour'; did you mean 'hours'"),
        ({"time": -1}, "not a number from 0 up"),
        ({"time": math.nan}, "not a number from 0 up"),
        ({"time": "hours", "columns": {"rnaa": "M"}}, "no column 'rnaa'; did you mean 'rna'"),
        ({"time": "hours", "columns": ["x"]}, "1 names for 2 columns"),
        ({"time": "hours", "columns": "rna"}, "mapping or a list"),
        ({"header": False, "time": 1}, "without a header needs names"),
    ],
)
def test_wrong_options_are_refused_with_a_near_miss(tmp_path, options, words):
    with pytest.raises(SettingError, match=words):
        read(tmp_path, "hours,rna\n1,2\n", **options)


def test_one_time_beside_a_time_column_is_refused(tmp_path):
    with pytest.raises(SettingError, match="and the file has a column 'time'"):
        read(tmp_path, "time,A\n1,2\n", time=3)
    assert read(tmp_path, "time,A\n1,2\n", time=3, columns={"time": None}).times.tolist() == [3.0]


def test_columns_are_mapped_left_out_and_summed(tmp_path):
    text = "time,nuc,cyto,note\n1,2,3,a\n1,4,1,b\n"
    assert shown(read(tmp_path, text, columns={"nuc": "M", "cyto": None, "note": None})) == {
        1.0: [((2,), 1), ((4,), 1)]
    }
    assert read(tmp_path, text, columns=["time", "N", "C", None]).species == ("N", "C")
    for target in ("N+C", ("N", "C"), ["N", "C"]):  # what one column counts together
        data = read(tmp_path, text, columns={"nuc": target, "cyto": None, "note": None})
        assert (data.species, data.sums, data.parts) == (("nuc",), {"nuc": ("N", "C")}, (("N", "C"),))
    for key in ("nuc+cyto", ("nuc", "cyto")):  # columns that are added
        data = read(tmp_path, text, columns={key: "M", "note": None})
        assert (data.species, data.sums, shown(data)) == (("M",), {}, {1.0: [((5,), 2)]})
    both = read(tmp_path, text, columns={("nuc", "cyto"): ("N", "C"), "note": None})
    assert (both.species, both.sums) == (("nuc+cyto",), {"nuc+cyto": ("N", "C")})
    bare = read(tmp_path, "1,2,3\n", header=False, columns={0: "time", (1, 2): ("A", "B")})
    assert (bare.species, shown(bare)) == (("A+B",), {1.0: [((5,), 1)]})
    with pytest.raises(DataError, match=r"column 'note': 'a' is not a count; .* None"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"nuc": "M", "cyto": "M"}, r"both stand for 'M'; to add columns, write columns=\{\('nuc', 'cyto'\): 'M'\}"),
        ({"nuc": ()}, "column 'nuc': .* names no species"),
        ({"nuc": "N+"}, "names no species"),
        ({"nuc": ("N", "N")}, "'N' stands twice"),
        ({"nuc": 3}, "3 names no species"),
        ({"nuc": ("N", None)}, "names no species"),
        ({(): "N"}, "an empty tuple names no column"),
        ({("nuc", "nuc"): "N"}, "names a column twice"),
        ({("nuc", "cito"): "N"}, "no column 'cito'; did you mean 'cyto'"),
        ({("nuc", "cyto"): "N", "cyto": "C"}, "'cyto' is mapped twice"),
        ({("nuc", "time"): "N"}, "'time'"),
        ({("nuc", "hours"): "N"}, "no column 'hours'"),
    ],
)
def test_malformed_mappings_are_refused_by_name(tmp_path, columns, words):
    with pytest.raises(KinetixError, match=words):
        read(tmp_path, "time,nuc,cyto\n1,2,3\n", columns=columns)


def test_sums_of_arrays_and_their_names():
    data = Observations.from_counts({"total": ("N", "C"), "x": "P"}, 1.0, [[3, 1]])
    assert (data.species, data.parts) == (("total", "P"), (("N", "C"), ("P",)))
    plain = Observations.from_counts(("total", "P"), 1.0, [[3, 1]])
    assert data.digest != plain.digest
    with pytest.raises(SettingError, match="names no species"):
        Observations.from_counts({"total": ()}, 1.0, [3])
    network = ReactionNetwork([Species("nuclear"), Species("cyto")], [], [])
    with pytest.raises(DataError, match=r"column 'total': 'nucleus' is not a species of .*did you mean 'nuclear'"):
        Observations.from_counts({"total": ("nucleus", "cyto")}, 1.0, [3]).require_species(network)


def test_columns_that_add_up_beyond_64_bits_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"row 2, column 'b': the columns add up to more than 2\*\*63 - 1"):
        read(tmp_path, f"time,a,b\n1,{2**63 - 1},1\n", columns={("a", "b"): "M"})


def test_files_without_a_header(tmp_path):
    assert shown(read(tmp_path, "1,5\n1,6\n", header=False, columns=["time", "M"])) == {1.0: [((5,), 1), ((6,), 1)]}
    assert shown(read(tmp_path, "1,5\n", header=False, columns={1: "M"}, time=2)) == {2.0: [((5,), 1)]}
    assert shown(read(tmp_path, "1,5\n", header=False, columns={"0": "time", "1": "M"})) == {1.0: [((5,), 1)]}
    with pytest.raises(DataError, match="row 2, column '1'"):
        read(tmp_path, "1,5\n1,x\n", header=False, columns=["time", "M"])


def test_real_cells_are_read_whole():
    data = Observations.read_csv(PSPF, header=False, columns={0: "M"}, time=math.inf)
    counts = data.counts(0)[:, 0]
    assert (data.cells, int(counts.max())) == (416, 141)
    assert [counts.mean(), counts.var(ddof=1)] == pytest.approx([21.7, 471], rel=5e-3)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_line_ends_and_separators(tmp_path, encoding, end, separator):
    rows = [["time", "mRNA-ü"], ["1", "3.0"], ["2", "4"]]
    data = read(tmp_path, end.join(separator.join(row) for row in rows) + end, encoding)
    assert data.species == ("mRNA-ü",)
    assert shown(data) == {1.0: [((3,), 1)], 2.0: [((4,), 1)]}
    assert data.notes == (("decoded from UTF-16",) if encoding == "utf-16" else ())


def test_other_encodings_are_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="row 2: not UTF-8 text; save it as UTF-8"):
        read(tmp_path, "time,A\n1,é\n", "latin-1")
    with pytest.raises(DataError, match="UTF-16 without its byte-order mark"):
        read(tmp_path, "time,A\n1,2\n", "utf-16-le")
    with pytest.raises(DataError, match="no such file"):
        Observations.read_csv(tmp_path / "none.csv")


def test_names_that_the_network_does_not_have(tmp_path):
    read(tmp_path, "time,mRNA\n1,2\n").require_species(NETWORK)
    with pytest.raises(DataError, match=r"column 'mRNAs': .*did you mean 'mRNA'.*columns="):
        read(tmp_path, "time,mRNAs\n1,2\n").require_species(NETWORK)
    with pytest.raises(DataError, match="it has Gu, mRNA"):
        read(tmp_path, "time,xyz\n1,2\n").require_species(NETWORK)


def test_arrays_become_observations():
    data = Observations.from_counts("A", 2.0, [3.0, 4.0, 3.0])
    assert shown(data) == {2.0: [((3,), 2), ((4,), 1)]}
    for counts, words in [
        ([1.5], "whole"),
        ([-1], "negative"),
        ([np.nan], "whole"),
        ([2.0**63], "whole"),
        ([], "no cells"),
    ]:
        with pytest.raises(DataError, match=words):
            Observations.from_counts("A", 1, np.array(counts, dtype=float))
    with pytest.raises(DataError, match="not \\[cells, 2\\]"):
        Observations.from_counts(["A", "B"], 1, [1, 2, 3])
    with pytest.raises(DataError, match="times"):
        Observations.from_counts("A", -1, [1])
    with pytest.raises(DataError, match="numbers, not"):
        Observations.from_counts("A", 1, ["a"])
    with pytest.raises(KinetixError, match="below"):
        Observations.from_counts("A", 1, np.array([2**63], dtype=np.uint64))


def test_fifteen_thousand_cells_are_read_in_a_blink(tmp_path):
    import time

    rng = np.random.default_rng(0)
    rows = "\n".join(f"{t},{a},{b}" for t, a, b in rng.integers(0, 100, (15_000, 3)).tolist())
    start = time.process_time()
    assert read(tmp_path, "time,A,B\n" + rows).cells == 15_000
    assert time.process_time() - start < 2
