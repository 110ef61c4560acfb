"""What setup.cfg cannot say: where the packages lie, and which YAML files go into the wheel."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOMS = {"bench.baselines": "baselines", "bench.methods": "methods"}
"""Package -> folder of the repository, where that is not the package's own name."""
PACKAGES = [
    *find_packages(include=["bench", "bench.*"]),
    *ROOMS,
    *(f"{package}.{inner}" for package, folder in ROOMS.items() for inner in find_packages(folder)),
]
SHIPPED = {
    "datasets": "bench/shipped/cards",
    "results/experiments": "bench/shipped/experiments",
    "results/published": "bench/shipped/published",
}
"""Folder of the repository -> folder of the wheel, for files that the installed package reads."""


class BuildWithData(build_py):
    """Copy the YAML files beside the modules; an editable installation reads them where they are."""

    def run(self) -> None:
        """Build the modules, then copy the folders afresh."""
        super().run()
        if self.editable_mode:
            return
        for source, place in SHIPPED.items():
            target = Path(self.build_lib, place)
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            for path in Path(source).glob("*.yaml"):
                shutil.copy(path, target)


setup(packages=PACKAGES, package_dir=ROOMS, cmdclass={"build_py": BuildWithData})
