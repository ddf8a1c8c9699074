"""The benchmarks compare the same objective."""

import numpy as np
import pytest

from sklearn_relulogit._model.parameters import initial_theta, layer_shapes


@pytest.mark.parametrize("hidden", [(), (5,), (4, 3)])
def test_every_peer_evaluates_the_same_objective(hidden, monkeypatch, request):
    monkeypatch.syspath_prepend(request.path.parent / "benchmarks")
    import peers

    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((60, 3)), np.arange(60) % 2
    theta = initial_theta(layer_shapes(3, hidden, 1), rng) + 0.1
    value, gradient = peers.Ours(X, y, hidden, 0.5).evaluate(theta)
    theirs, layers = peers.MLP(X, y, hidden, 0.5).evaluation(theta)()
    assert theirs == pytest.approx(value, rel=1e-12)
    # Weights first, and then biases.
    assert np.linalg.norm(layers) == pytest.approx(np.linalg.norm(gradient), rel=1e-12)
    for peer in peers.installed():
        its_value, its_gradient = peer(X, y, hidden, 0.5).evaluate(theta)
        assert float(its_value) == pytest.approx(value, rel=1e-12)
        if isinstance(its_gradient, list):  # PyTorch's parameters
            its_gradient = np.concatenate([a.grad.ravel() for a in its_gradient])
        np.testing.assert_allclose(its_gradient, gradient, rtol=1e-9, atol=1e-14)
