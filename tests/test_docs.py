"""The documents quote the code correctly."""

import importlib.util
import re
import shutil
import sys
import tomllib
import types
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

import sklearn_relulogit
from sklearn_relulogit import (
    PiecewiseLinearEncoder,
    ReLULogisticClassifier,
    export,
    onnx,
)
from sklearn_relulogit._links import SITE, SOURCE, doc_link_template

ROOT = Path(__file__).parent.parent
# The tested package, which need not be the one of the checkout.
PACKAGE = Path(sklearn_relulogit.__file__).parent


def read(*path):
    return ROOT.joinpath(*path).read_text(encoding="utf-8")


def test_the_derivation_quotes_the_backward_pass_as_it_is():
    text = read("docs", "derivation.md")
    (quoted,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    network = PACKAGE / "_model" / "network.py"
    assert network.read_text(encoding="utf-8").endswith(quoted)


@pytest.mark.parametrize(
    ("number", "path"),
    [
        (1, "_model/network.py"),
        (2, "_model/affine.py"),
        (3, "_optimize/curvature.py"),
        (4, "_model/path.py"),
    ],
)
def test_the_code_cites_each_line_of_an_algorithm(number, path):
    text = read("docs", "derivation.md")
    algorithm = text.split(f"**Algorithm {number}: ")[1]
    steps = re.search(r"(?:\n\d\. .*|\n   - .*)+", algorithm)[0]
    numbers = re.findall(r"^(\d)\. ", steps, flags=re.MULTILINE)
    assert len(numbers) >= 4
    code = (PACKAGE / path).read_text(encoding="utf-8")
    assert re.findall(r"# Line (\d)", code) == numbers


def test_the_story_of_the_readme_runs(capsys, monkeypatch, tmp_path):
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "nhefs.csv", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    text = read("README.md")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names = {}
    exec(example, names)
    assert float(capsys.readouterr().out) == pytest.approx(-0.385, abs=0.015)
    why, how_sure, ship = re.findall(r"```pycon\n(.*?)```", text, flags=re.DOTALL)
    printed, quoted = [], []
    for session in (why, how_sure, ship):
        lines = session.splitlines()
        code = [line[4:] for line in lines if line.startswith((">>> ", "... "))]
        exec("\n".join(code), names)
        printed.append(capsys.readouterr().out.strip())
        quoted.append(lines[-1])
    # The columns that count most for this person, and what they are.
    said, quote = (
        re.sub(r"[\d.]+ %|\([+-][\d.]+\)", "", words[0]).split(",")[:3]
        for words in (printed, quoted)
    )
    assert said == quote
    ends, quote = (np.fromstring(w[1].strip("[]"), sep=" ") for w in (printed, quoted))
    # The start is drawn, and one in six finds features relevant.
    assert ends == pytest.approx(quote, abs=0.04)
    assert (tmp_path / "model.onnx").stat().st_size == names["size"] > 1000
    assert (ROOT / "docs" / "_static" / "start.png").is_file()


def test_the_explanations_run(capsys):
    text = read("docs", "explanations.md")
    example, *others = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names = {}
    exec(example, names)
    # The same but for the numbers, which another release may change.
    (quoted,) = re.findall(r"```text\n(.*?)```", text, flags=re.DOTALL)
    printed, quoted = (
        sorted(re.sub(r"[+-]?\d+\.\d+", "", line).strip() for line in lines[1:])
        for lines in (capsys.readouterr().out.splitlines(), quoted.splitlines())
    )
    assert printed == quoted
    for other in others:
        exec(other, names)
    assert names["chosen"].support_.sum() == 5


@pytest.mark.parametrize(
    ("heading", "peer"),
    [
        ("MLPClassifier", MLPClassifier(max_iter=2, early_stopping=True)),
        ("LogisticRegression", LogisticRegression()),
    ],
)
@pytest.mark.filterwarnings(
    f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning"
)
def test_every_parameter_and_attribute_of_the_peers_has_its_line(heading, peer):
    section = read("docs", "migration.md").split(f"## From {heading}\n")[1]
    table = section.split("\n## ")[0]
    left = " ".join(
        line.split("|")[1] for line in table.splitlines() if line.startswith("| ")
    )
    named = set(re.findall(r"`(\w+)`", left))
    peer.fit(*load_iris(return_X_y=True))
    attributes = {name for name in vars(peer) if re.fullmatch(r"[a-z]\w*_", name)}
    methods = {
        name for name in dir(peer) if callable(getattr(peer, name)) and name[0] != "_"
    } - {"set_partial_fit_request", *dir(ReLULogisticClassifier)}
    assert named >= set(peer.get_params()) | attributes | methods
    # Names that older or newer releases have or had.
    assert named - set(peer.get_params()) - attributes - methods <= {
        "feature_names_in_",
        "multi_class",
        "penalty",
    }


def test_every_example_is_named_in_the_readme():
    text = read("README.md")
    for path in (ROOT / "examples").glob("*.py"):
        assert f"examples/{path.name}" in text, path.name


def test_every_public_name_is_in_the_reference():
    text = read("docs", "api.md")
    names = list(sklearn_relulogit.__all__)
    for module in (export, onnx):
        names += [f"{module.__name__.rpartition('.')[2]}.{n}" for n in module.__all__]
    for name in names:
        assert f"\n   {name}\n" in text, name
    assert ":toctree: generated/" in text


@pytest.mark.parametrize(
    ("site", "source", "expected"),
    [
        ("https://a/b/", "", "https://a/b/generated/sklearn_relulogit.{name}.html"),
        ("", "https://c/d", "https://c/d/blob/main/docs/api.md"),
        ("", "", ""),
    ],
)
def test_the_representation_of_an_estimator_links_to_what_there_is(
    site, source, expected, monkeypatch
):
    template = doc_link_template(site, source)
    for estimator in (ReLULogisticClassifier, PiecewiseLinearEncoder):
        now = (estimator._doc_link_template, estimator._doc_link_module)
        there = doc_link_template(SITE, SOURCE)
        assert now == (there, "sklearn_relulogit" if there else "")
        monkeypatch.setattr(estimator, "_doc_link_template", template)
        monkeypatch.setattr(
            estimator, "_doc_link_module", "sklearn_relulogit" if template else ""
        )
        link = estimator()._get_doc_link()
        assert link == expected.format(name=estimator.__name__)


def test_a_package_index_shows_links_to_what_there_is(monkeypatch):
    # What builds the package is not installed where it is tested.
    interface = types.SimpleNamespace(MetadataHookInterface=object)
    monkeypatch.setitem(sys.modules, "hatchling.metadata.plugin.interface", interface)
    spec = importlib.util.spec_from_file_location("hook", ROOT / ".ci" / "metadata.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    readme = (
        "See [a](docs/defaults.md), [docs/b.md](docs/b.md), [c](examples/c.py), "
        "![d](docs/_static/d.png)"
    )
    assert hook.with_links(readme, "", "") == (
        "See a (`docs/defaults.md`), docs/b.md, c (`examples/c.py`), "
        "d (`docs/_static/d.png`)"
    )
    assert hook.with_links(readme, "", "https://x") == (
        "See [a](https://x/blob/main/docs/defaults.md), "
        "[docs/b.md](https://x/blob/main/docs/b.md), "
        "[c](https://x/blob/main/examples/c.py), "
        "![d](https://x/raw/main/docs/_static/d.png)"
    )
    assert hook.with_links(readme, "https://s/", "https://x") == (
        "See [a](https://s/defaults.html), [docs/b.md](https://s/b.html), "
        "[c](https://s/auto_examples/c.html), ![d](https://s/_static/d.png)"
    )
    assert hook.urls("", "") == {}
    assert hook.urls("https://s/", "https://x")["Changelog"] == (
        "https://s/changelog.html"
    )
    assert hook.urls("", "https://x")["Issues"] == "https://x/issues"


def test_every_page_is_in_a_toctree():
    docs = ROOT / "docs"
    named = set()
    for path in docs.glob("*.md"):
        for block in re.findall(
            r"```\{toctree\}\n(.*?)```", path.read_text("utf-8"), re.DOTALL
        ):
            named |= {line for line in block.split("\n") if line and line[0] != ":"}
    pages = {
        path.relative_to(docs).with_suffix("").as_posix()
        for path in [
            *docs.glob("*.md"),
            *docs.glob("guide/*.md"),
            *docs.glob("recipes/*.md"),
        ]
    }
    assert pages - {"index"} <= named
    assert named - pages == {"auto_examples/index"}


def test_the_version_stands_in_one_place():
    assert metadata.version("sklearn-relulogit") == sklearn_relulogit.__version__
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert "version" in project["dynamic"]
    assert "version" not in project


def test_the_extras_promise_what_the_pages_say():
    extras = tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"]
    assert extras.keys() >= {"test", "docs", "plot", "onnx", "benchmark", "dev"}
    for path in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        for names in re.findall(
            r"pip install 'sklearn-relulogit\[(.*?)\]'", path.read_text("utf-8")
        ):
            assert set(names.split(",")) <= extras.keys(), path
