"""What the documents quote of the code is what the code says."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_the_derivation_quotes_the_backward_pass_as_it_is():
    text = (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8")
    (quoted,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    source = (ROOT / "sklearn_relulogit" / "_network.py").read_text(encoding="utf-8")
    assert source.endswith(quoted)
    # Each line of the table is a line of the code.
    lines = re.findall(r"^\| `(.*?)` \|", text, flags=re.MULTILINE)
    assert len(lines) == 7
    for line in lines:
        assert f" {line}\n" in quoted


def test_the_first_model_of_the_readme_runs(capsys):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(example, {})
    assert float(capsys.readouterr().out) == pytest.approx(-0.07, abs=0.03)
