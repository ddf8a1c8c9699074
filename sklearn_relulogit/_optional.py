"""Packages that only some features need; they are imported where they are used."""

import importlib
from typing import Any


def optional_import(name: str, extra: str, purpose: str) -> Any:
    """The module ``name``, or an ImportError that says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(
            f"{purpose} needs {package}: pip install 'sklearn-relulogit[{extra}]'"
        ) from error
