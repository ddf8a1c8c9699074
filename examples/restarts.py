"""Local minima, and several starts against them."""

from sklearn.datasets import make_moons

from sklearn_relulogit import ReLULogisticClassifier


def main() -> None:
    """Two moons and five hidden units: where each of ten starts ends."""
    X, y = make_moons(300, noise=0.2, random_state=0)
    clf = ReLULogisticClassifier((5,), alpha=0.1, n_init=10, n_jobs=2, random_state=0)
    clf.fit(X, y)
    print("Final objective of each start:", *(f"{v:.3f}" for v in clf.restart_losses_))
    print(f"Kept: {clf.loss_:.3f}, accuracy {clf.score(X, y):.3f}")
    clf = clf.set_params(n_init=1).fit(X, y)
    print(f"The first alone: {clf.loss_:.3f}, accuracy {clf.score(X, y):.3f}")


if __name__ == "__main__":
    main()
