"""How the best penalty grows with the rows, and whether the default keeps up.

    python tests/benchmarks/growth.py OUT [--rows N ...] [--laws LAW ...]

The data come from three laws of 20 normal features with known probabilities: a smooth
one, a network with kinks, and steps. It prints the expected log-loss minus that of the
true probabilities, in nats, for ``alpha="auto"`` and for fixed penalties. It also
prints processor seconds. Each result is a line of OUT, so an interrupted run continues.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from sklearn_relulogit import ReLULogisticClassifier

N_FEATURES = 20
ALPHAS = [10.0, 31.6, 100.0, 316.0]
N_TEST = 200_000


def smooth(X: np.ndarray) -> np.ndarray:
    """Products, a sine and a square."""
    return (
        X[:, 0] * X[:, 1]
        + 1.5 * np.sin(1.5 * X[:, 2])
        + X[:, 3]
        - 0.5 * X[:, 4] ** 2
        + 0.7 * np.tanh(2 * X[:, 5]) * X[:, 6]
        + 0.5
    )


def kinks(X: np.ndarray) -> np.ndarray:
    """A network of 30 ReLU units."""
    rng = np.random.RandomState(5)
    W = rng.standard_normal((N_FEATURES, 30)) / np.sqrt(N_FEATURES)
    b, v = 0.7 * rng.standard_normal(30), rng.standard_normal(30)
    return 1.2 * (np.maximum(X @ W + b, 0) @ v)


def steps(X: np.ndarray) -> np.ndarray:
    """Products of signs, and steps of single features."""
    return (
        1.5 * np.sign(X[:, 0] - 0.3) * np.sign(X[:, 1])
        + 1.0 * (X[:, 2] > 0.5)
        - 1.0 * (np.abs(X[:, 3]) < 0.6)
        + 0.5 * np.sign(X[:, 4] * X[:, 5] * X[:, 6])
        + 0.3
    )


LAWS = {"smooth": smooth, "kinks": kinks, "steps": steps}


def draw(law: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels, and the log-odds of the law."""
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((n, N_FEATURES))
    logits = LAWS[law](X)
    return X, (rng.random_sample(n) < expit(logits)).astype(int), logits


def expected_loss(logits: np.ndarray, true: np.ndarray) -> float:
    """The mean log-loss of logits, over labels from the true ones."""
    p = expit(true)
    return float(
        np.mean(p * np.logaddexp(0, -logits) + (1 - p) * np.logaddexp(0, logits))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--laws", nargs="*", default=list(LAWS))
    parser.add_argument("--alphas", type=float, nargs="*", default=ALPHAS)
    args = parser.parse_args()
    lines = args.out.read_text().splitlines() if args.out.exists() else []
    done = {tuple(json.loads(line)[k] for k in ("law", "n", "label")) for line in lines}
    for n in args.rows:
        for law in args.laws:
            X_test, _, true = draw(law, N_TEST, seed=99)
            X, y, _ = draw(law, n, seed=0)
            for alpha in ["auto", *args.alphas]:
                label = str(alpha)
                if (law, n, label) in done:
                    continue
                start = time.process_time()
                clf = ReLULogisticClassifier(alpha=alpha, random_state=0).fit(X, y)
                seconds = time.process_time() - start
                loss = expected_loss(clf.decision_function(X_test), true)
                excess = loss - expected_loss(true, true)
                result = {"law": law, "n": n, "label": label, "alpha": clf.alpha_}
                result |= {"excess": excess, "seconds": seconds}
                with args.out.open("a") as file:
                    file.write(json.dumps(result) + "\n")
                print(result, flush=True)
    table = pd.read_json(args.out, lines=True, dtype={"label": str})
    wide = table.pivot_table(index=["law", "n"], columns="label", values="excess")
    fixed = wide[[name for name in wide if name != "auto"]]
    wide["auto / best"] = wide["auto"] / fixed.min(axis=1)
    print(wide.to_string(float_format="%.5f"))


if __name__ == "__main__":
    main()
