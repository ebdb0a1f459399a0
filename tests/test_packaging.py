"""The wheel holds exactly the tree: no package forgotten, no second copy."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
WINGS = ("importers", "solvers", "inference")


def test_wheel_holds_the_tree(tmp_path: Path) -> None:
    source = tmp_path / "source"  # a clean copy: the build folder of a checkout can hold files long deleted
    for folder in ("kinetix", *WINGS):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), "."]
    subprocess.run(pip, cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("kinetix_cme-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {str(p.relative_to(ROOT)) for p in tree("kinetix")}
    for wing in WINGS:
        expected |= {f"kinetix/{p.relative_to(ROOT)}" for p in tree(wing)}
    assert packed == expected


def tree(folder: str) -> list[Path]:
    kinds = (".py", ".pyi", ".typed", ".lark", ".css", ".html", ".json", ".safetensors")
    return [p for p in (ROOT / folder).rglob("*") if p.suffix in kinds or (p.parent.name == "weights" and p.is_file())]


def test_importing_setup_runs_nothing() -> None:
    subprocess.run([sys.executable, "-c", "import kinetix.setup"], cwd=ROOT, check=True, capture_output=True)
