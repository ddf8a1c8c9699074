"""What the documents quote of the code is what the code says."""

import re
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from sklearn_relulogit import ReLULogisticClassifier

ROOT = Path(__file__).parent.parent


def read(*path):
    return ROOT.joinpath(*path).read_text(encoding="utf-8")


def test_the_derivation_quotes_the_backward_pass_as_it_is():
    text = read("docs", "derivation.md")
    (quoted,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert read("sklearn_relulogit", "_network.py").endswith(quoted)
    # Each line of the table is a line of the code.
    lines = re.findall(r"^\| `(.*?)` \|", text, flags=re.MULTILINE)
    assert len(lines) == 7
    for line in lines:
        assert f" {line}\n" in quoted


def test_the_first_model_of_the_readme_runs_and_is_explained(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", read("README.md"), flags=re.DOTALL)
    names = {}
    exec(example, names)
    assert float(capsys.readouterr().out) == pytest.approx(-0.07, abs=0.03)
    (session,) = re.findall(r"```pycon\n(.*?)```", read("README.md"), flags=re.DOTALL)
    exec(session.replace(">>> ", ""), names)
    assert names["coef"].shape == names["X"].shape


def test_the_explanations_run(capsys):
    text = read("docs", "explanations.md")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(example, {})
    assert "largest effects" in capsys.readouterr().out


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
