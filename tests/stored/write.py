"""Store a model and its predictions, which later releases have to give again.

usage: python tests/stored/write.py    (once, in a release)

The folder is named after the version. ../test_stored.py reads all of them.
"""

import json
import pickle
from pathlib import Path
from zipfile import ZIP_DEFLATED

import numpy as np
import pandas as pd
import skl2onnx
import skops.io

import sklearn_relulogit
from sklearn_relulogit import ReLULogisticClassifier, tabular_pipeline
from sklearn_relulogit.onnx import input_types, inputs, register


def table(n=200):
    """Numbers, a few categories and many, dates, and gaps in all."""
    rng = np.random.default_rng(0)
    days = pd.to_timedelta(rng.integers(0, 900, n), unit="D")
    X = pd.DataFrame(
        {
            "size": np.round(rng.standard_normal(n), 2),
            "town": rng.choice(["Bath", "Köln", "O'Hara"], n).astype(object),
            "street": [f"s{i % 50}" for i in rng.integers(0, 1000, n)],
            "when": pd.Timestamp("2020-02-01") + days,
        }
    )
    y = np.where(X["size"] + (X["town"] == "Bath") + rng.standard_normal(n) > 0, 1, 0)
    for column in X:
        X.loc[rng.random(n) < 0.1, column] = None
    return X, y


def main():
    X, y = table()
    clf = ReLULogisticClassifier((6,), alpha=1.0, random_state=0)
    model = tabular_pipeline(clf).fit(X, y)
    reader, columns, clf = (step for _, step in model.steps)
    # Pickles of scikit-learn's own classes are promised within one of its releases
    # only, so what is pickled are the steps of this package.
    parts = dict(columns.named_transformers_)
    steps = {
        "table": reader,
        "numbers": parts["numbers"],
        "dates": parts["dates"][0],
        "many_categories": parts["many_categories"],
        "classifier": clf,
    }
    rows = X.head(12)
    read = reader.transform(rows)
    taken = {name: list(where) for name, _, where in columns.transformers_}
    expected = {
        name: step.transform(read.iloc[:, taken[name]]).tolist()
        for name, step in steps.items()
        if name in ("numbers", "dates", "many_categories")
    }
    Z = model[:-1].transform(rows)
    register()
    graph = skl2onnx.to_onnx(
        model,
        initial_types=input_types(model),
        options={"zipmap": False},
        # The oldest onnxruntime that is supported knows them.
        target_opset={"": 18, "ai.onnx.ml": 3},
    )
    feed = {name: x.ravel().tolist() for name, x in inputs(model, rows).items()}
    folder = Path(__file__).parent / sklearn_relulogit.__version__
    folder.mkdir(exist_ok=True)
    (folder / "steps.pkl").write_bytes(pickle.dumps(steps, protocol=5))
    skops.io.dump(clf, folder / "classifier.skops", compression=ZIP_DEFLATED)
    (folder / "table.onnx").write_bytes(graph.SerializeToString())
    stored = {
        "rows": rows.assign(when=rows["when"].astype(str)).to_dict("list"),
        "columns": {name: taken[name] for name in expected},
        "outputs": expected,
        "features": Z.tolist(),
        "feed": feed,
        "probabilities": model.predict_proba(rows).tolist(),
    }
    text = json.dumps(stored, indent=None, ensure_ascii=False)
    (folder / "expected.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
