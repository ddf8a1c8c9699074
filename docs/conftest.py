"""The Python in the pages runs as part of the tests."""

import os
from doctest import ELLIPSIS
from tempfile import TemporaryDirectory

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

# No page, and imports what only the extra "docs" brings.
collect_ignore = ["conf.py"]


def enter_folder(namespace):
    """What a page writes goes to a folder of its own."""
    namespace["_before"] = os.getcwd()
    namespace["_folder"] = TemporaryDirectory()
    os.chdir(namespace["_folder"].name)


def leave_folder(namespace):
    os.chdir(namespace["_before"])
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), SkipParser()],
    patterns=["*.md", "guide/*.md"],
    # Quotes the middle of a function; tests/test_docs.py holds it against the code.
    excludes=["derivation.md"],
    setup=enter_folder,
    teardown=leave_folder,
).pytest()
