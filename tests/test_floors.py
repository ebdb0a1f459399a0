"""Who may import whom: one straight line, wings strangers to one another, small doors, no circles."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WINGS = ("importers", "solvers", "inference")
FILES = [p for d in ("kinetix", *WINGS) for p in sorted((ROOT / d).rglob("*.py"))]
REACHES_WRITERS = ROOT / "kinetix" / "network.py"
FORBIDDEN_CALLS = {"eval", "exec", "sympify", "parse_expr", "compile", "S", "manual_seed", "seed"}
HEAVY = {
    "torch",
    "libsbml",
    "matplotlib",
    "xarray",
    "arviz_base",
    "arviz_stats",
    "h5py",
    "h5netcdf",
    "emcee",
    "typer",
    "lark",
}
MODULE_LEVEL = {  # where a heavy library may be imported on opening the module
    "torch": lambda p: p.parts[0] == "solvers",
    "libsbml": lambda p: p.parts[0] == "importers" and p.name.startswith("sbml"),
    "lark": lambda p: p.parts == ("importers", "dsl.py") or p.name.startswith("dsl"),
    "typer": lambda p: p.parts[:2] == ("kinetix", "app"),
    "emcee": lambda p: p.parts[0] == "inference",
}


def imports(tree: ast.AST, *, top: bool = False) -> Iterator[tuple[str, int]]:
    for node in ast.iter_child_nodes(tree) if top else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    relative, tree = path.relative_to(ROOT), ast.parse(path.read_text())
    home = relative.parts[0]
    shell = relative.parts[:2] == ("kinetix", "app")
    for name, level in imports(tree):
        first, _, rest = name.partition(".")
        assert first not in (*WINGS, "tests", "examples") or level, f"{relative} imports {name} by its bare name"
        wing = rest.split(".")[0] if first == "kinetix" else None
        if home == "kinetix" and not shell:
            assert level <= 1, f"{relative}: the core imports with one dot"
            assert wing not in (*WINGS, "app"), f"{relative}: the core knows no wing"
        elif home in WINGS:
            assert level <= 1, f"{relative}: a wing imports its own files with one dot"
            assert wing in (None, home) or wing not in (*WINGS, "app"), f"{relative} reaches into {name}"
    if home == "kinetix" and not shell and path not in (REACHES_WRITERS, ROOT / "kinetix" / "__init__.py"):
        assert "import_module" not in path.read_text(), f"{relative} reaches a wing by importlib"
    for name, level in imports(tree, top=True):
        library = name.split(".")[0]
        if library in HEAVY and not level:
            allowed = MODULE_LEVEL.get(library, lambda _: False)
            assert allowed(relative), f"{relative} loads {library} on opening"


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts if parts[0] == "kinetix" else ("kinetix", *parts)).removesuffix(".__init__")


def test_no_file_imports_itself_through_others() -> None:
    """Neither on opening, nor inside functions, nor for types. Mutant: `network` imported for its type in `check`."""
    modules, arrows = {module_of(path): path for path in FILES}, {}
    for module, path in modules.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        found = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                source = resolve_name("." * node.level + (node.module or ""), package)
                whole = {f"{source}.{alias.name}" for alias in node.names}
                found |= (whole & modules.keys()) or {source}
        arrows[module] = found & modules.keys() - {module}
    assert sum(map(len, arrows.values())) > 2 * len(FILES)
    order = tuple(graphlib.TopologicalSorter(arrows).static_order())  # CycleError names the circle
    assert order.index("kinetix.errors") < order.index("kinetix.network") < order.index("kinetix.app.cli")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_text_is_evaluated_and_no_global_seed(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        if name in ("compile", "eval") and isinstance(function, ast.Attribute):
            continue  # re.compile, and torch's switch from training to use
        if name == "sympify" and any(
            k.arg == "strict" and getattr(k.value, "value", False) is True for k in node.keywords
        ):
            continue  # strict: takes numbers and expressions, refuses text
        if name in ("seed", "manual_seed") and isinstance(function, ast.Attribute):
            owner = ast.unparse(function.value)
            if path.name == "training.py" and "fork_rng" in path.read_text():
                continue  # inside a fork of the generator: the process's own stream is left untouched
            assert owner not in ("torch", "np.random", "numpy.random", "random"), f"{path.name}: {owner}.{name}"
            continue
        assert name not in FORBIDDEN_CALLS, f"{path.relative_to(ROOT)}:{node.lineno} calls {name}"


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_the_front_door_opens_on_nothing() -> None:
    assert not {"sympy", "torch", "numba", "libsbml", "matplotlib", "scipy", "lark"} & loaded_after("import kinetix")


def test_each_name_at_the_front_door_exists() -> None:
    import kinetix

    for name in kinetix.__all__:
        assert getattr(kinetix, name) is not None


@pytest.mark.parametrize(
    "statement", ["import importers", "import solvers", "import inference", "import kinetix.kinetix"]
)
def test_second_copies_are_refused(statement: str) -> None:
    run = subprocess.run([sys.executable, "-c", statement], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "ImportError" in run.stderr
