"""Puts the cards, experiments and published figures into the wheel; everything else stands in setup.cfg."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = {
    "datasets": "bench/cards",
    "results/experiments": "bench/experiments",
    "results/published": "bench/published",
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


setup(cmdclass={"build_py": BuildWithData})
