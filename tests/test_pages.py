"""The Python in the documentation's pages runs, and prints the output shown."""

import shutil
from doctest import ELLIPSIS
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import slow
from sybil import Sybil
from sybil.example import SybilFailure
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

DOCS = Path(__file__).parent.parent / "docs"
# The derivation quotes part of a function, which test_docs.py compares.
PAGES = sorted(
    {*DOCS.glob("*.md"), *DOCS.glob("guide/*.md"), *DOCS.glob("recipes/*.md")}
    - {DOCS / "derivation.md"}
)
# These pages fit many networks.
SLOW = {"layers_and_penalty", "probabilities", "scaling"}
# Packages that a page needs besides those of the tests. One environment of .ci/run has
# all of them.
NEEDED = {
    "attributions": ["captum"],
    "conformal": ["mapie"],
    "microcontroller": ["emlearn"],
    "optimise": ["omlt", "highspy"],
}
SYBIL = Sybil([PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), SkipParser()])


def run(page):
    for example in SYBIL.parse(page).examples():
        example.evaluate()


def marked(page):
    """A page as a parameter, with marks if it is slow or needs more packages."""
    if page.stem not in NEEDED:
        return slow(page) if page.stem in SLOW else page
    needed = NEEDED[page.stem]
    is_missing = not all(map(find_spec, needed))
    reason = f"needs {' and '.join(needed)}, which .ci/run has in one environment"
    # Packages warn about each other; none of these warnings is ours.
    others = pytest.mark.filterwarnings("default", "error:::sklearn_relulogit")
    return pytest.param(
        page, marks=[pytest.mark.skipif(is_missing, reason=reason), others]
    )


@pytest.mark.parametrize("page", [marked(page) for page in PAGES], ids=lambda p: p.stem)
def test_the_python_of_a_page(page, tmp_path, monkeypatch):
    (tmp_path / "examples").mkdir()
    shutil.copy(DOCS.parent / "examples" / "nhefs.csv", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)  # Some write files.
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # As guide/array_api.md says.
    run(page)


def test_there_are_examples_and_a_wrong_one_fails(tmp_path):
    assert {page.stem for page in PAGES} > SLOW | NEEDED.keys()
    counts = {page.stem: len(list(SYBIL.parse(page).examples())) for page in PAGES}
    assert min(counts["getting_started"], counts["persistence"]) > 10
    page = tmp_path / "page.md"
    page.write_text("```python\n>>> 1 + 1\n3\n```\n")
    with pytest.raises(SybilFailure, match="Expected"):
        run(page)
