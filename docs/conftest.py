"""The Python in the pages runs as part of the tests."""

from doctest import ELLIPSIS

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

# Not pages to test, and a quotation from the middle of a function, which
# tests/test_docs.py holds against the code.
collect_ignore = ["conf.py"]

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), SkipParser()],
    patterns=["*.md", "guide/*.md"],
    excludes=["derivation.md"],
).pytest()
