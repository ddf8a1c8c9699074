"""The Python in the pages of the documentation runs, and prints what stands there."""

from doctest import ELLIPSIS
from pathlib import Path

import pytest
from conftest import slow
from sybil import Sybil
from sybil.example import SybilFailure
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

DOCS = Path(__file__).parent.parent / "docs"
# The derivation quotes the middle of a function, which test_docs.py compares.
PAGES = sorted(
    {*DOCS.glob("*.md"), *DOCS.glob("guide/*.md")} - {DOCS / "derivation.md"}
)
# They fit many networks.
SLOW = {"layers_and_penalty", "probabilities", "scaling"}
SYBIL = Sybil([PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), SkipParser()])


def run(page):
    for example in SYBIL.parse(page).examples():
        example.evaluate()


@pytest.mark.parametrize(
    "page",
    [slow(page) if page.stem in SLOW else page for page in PAGES],
    ids=lambda page: page.stem,
)
def test_the_python_of_a_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # Some write files.
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # As guide/array_api.md says.
    run(page)


def test_there_are_examples_and_a_wrong_one_fails(tmp_path):
    assert {page.stem for page in PAGES} > SLOW
    counts = {page.stem: len(list(SYBIL.parse(page).examples())) for page in PAGES}
    assert min(counts["getting_started"], counts["persistence"]) > 10
    page = tmp_path / "page.md"
    page.write_text("```python\n>>> 1 + 1\n3\n```\n")
    with pytest.raises(SybilFailure, match="Expected"):
        run(page)
