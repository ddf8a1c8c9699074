"""
Knots where the labels jump
===========================

If the labels jump at a value of a column, the encoder of tables makes a step there.
"""

# %%
# We simulate weekly hours of work, and who has a company pension. A tenth of the people
# are on call and write 0; most of them have a pension. Among the others, few have one
# below 20 hours. From 20 hours on it is a right, and more and more have one.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from sklearn_relulogit import PiecewiseLinearEncoder, ReLULogisticClassifier

rng = np.random.default_rng(0)
n = 4000
hours = np.where(rng.random(n) < 0.1, 0, rng.uniform(1, 60, n).round(1))


def chance(hours):
    """The true probability of a pension."""
    log_odds = 0.04 * (hours - 20) + np.where(hours >= 20, 0.5, -1.5)
    return 1 / (1 + np.exp(-np.where(hours == 0, 1, log_odds)))


X = hours[:, np.newaxis]
y = rng.random(n) < chance(hours)

# %%
# With the labels, the encoder has knots on both sides of each jump. Without them it
# knows where the people are, but not where the labels change.

encoders = {
    "with the labels": PiecewiseLinearEncoder().fit(X, y),
    "without": PiecewiseLinearEncoder().fit(X),
}
models = {
    name: make_pipeline(
        FrozenEstimator(encoder), ReLULogisticClassifier((), random_state=0)
    ).fit(X, y)
    for name, encoder in encoders.items()
}
true = chance(hours)
print("                 excess log-loss   knots")
for name, model in models.items():
    p = model.predict_proba(X)[:, 1]
    excess = true * np.log(true / p) + (1 - true) * np.log((1 - true) / (1 - p))
    print(f"{name:22}{excess.mean():10.4f}   {encoders[name].knots_[0]}")

# %%
# Dots are shares of the people, in groups of two hours and for those on call. The marks
# below are the knots.

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
bins = np.r_[-1, 0.5, 1, np.arange(2, 61, 2)]
count = np.histogram(hours, bins)[0]
kept = count > 0
middle = np.where(bins[:-1] < 0, 0, (bins[:-1] + bins[1:]) / 2)
shares = np.histogram(hours, bins, weights=y * 1.0)[0][kept] / count[kept]
ax.scatter(middle[kept], shares, s=count[kept] / 3, color="0.75", label="in the data")
grid = np.linspace(0, 60, 2401)
ax.plot(grid, chance(grid), "k:", label="true")
for (name, model), color, height in zip(
    models.items(), ("C3", "C0"), (0.0, -0.06), strict=True
):
    p = model.predict_proba(grid[:, np.newaxis])[:, 1]
    ax.plot(grid, p, color=color, label=f"learned {name}")
    knots = encoders[name].knots_[0]
    ax.plot(knots, np.full(len(knots), height), "|", ms=12, color=color)
ax.set(xlabel="hours a week", ylabel="chance of a pension", ylim=(-0.1, 1))
ax.legend(loc="lower right", bbox_to_anchor=(1, 0.12), frameon=False)
plt.show()
