"""Packages of the distribution; everything else is in pyproject.toml.

`recipes/` becomes `segkit/recipes/` of an installation. pyproject.toml cannot add a package that lies outside
of `segkit/` to those that are found.
"""

from setuptools import find_namespace_packages, setup

setup(
    packages=[*find_namespace_packages(include=["segkit*"]), "segkit.recipes"],
    package_dir={"segkit.recipes": "recipes"},
)
