"""The folder map: four folders at the top level install as one package, `kinetix`."""

from setuptools import find_packages, setup

WINGS = ("importers", "solvers", "inference")

if __name__ in ("__main__", "builtins"):
    setup(
        package_dir={"kinetix": "kinetix", **{f"kinetix.{wing}": wing for wing in WINGS}},
        packages=[
            *find_packages(include=["kinetix", "kinetix.*"]),
            *(f"kinetix.{package}" for wing in WINGS for package in find_packages(include=[wing, f"{wing}.*"])),
        ],
    )
