"""
Which columns matter
====================

With ``alpha="auto"`` the classifier also finds a relevance of each column, if two
halves of the rows show a gain. Columns of small relevance get a larger penalty.
"""

# %%
# Is a handwritten digit odd? There are 61 pixels that vary, and 61 columns of noise:
# the same pixels, each shuffled by itself, so that they carry no information.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier

digits = load_digits()
varies = digits.data.std(axis=0) > 0
pixels = digits.data[:, varies]
p = pixels.shape[1]
X = np.hstack([pixels, np.random.default_rng(0).permuted(pixels, axis=0)])
X, X_test, y, y_test = train_test_split(X, digits.target % 2, random_state=0)
model = make_pipeline(StandardScaler(), ReLULogisticClassifier(random_state=0))
model.fit(X, y)
k = model[-1].relevance_

# %%
# With the same alpha as a number, all columns are equally relevant, and the noise
# raises the loss.

alike = make_pipeline(
    StandardScaler(), ReLULogisticClassifier(alpha=model[-1].alpha_, random_state=0)
).fit(X, y)
for name, fitted in (("with relevance", model), ("all alike", alike)):
    print(f"{name:16}log-loss {log_loss(y_test, fitted.predict_proba(X_test)):.3f}")

# %%
# Left: the bars are sorted. Pixels come first; noise and marginal pixels come last.
# Right: the positions of the pixels.

fig, (ax, image) = plt.subplots(
    1, 2, figsize=(9, 3.5), layout="constrained", width_ratios=[2, 1]
)
order = np.argsort(-k)
for name, own, color in (("pixels", order < p, "C0"), ("noise", order >= p, "C1")):
    ax.bar(np.flatnonzero(own), k[order][own], 1, color=color, label=name)
ax.axhline(1, color="0.5", lw=1)
ax.set(yscale="log", xlabel="column", ylabel="relevance", xlim=(-1, 2 * p))
ax.legend(frameon=False)
of_pixels = np.full(64, np.nan)
of_pixels[varies] = k[:p]
shown = image.imshow(of_pixels.reshape(8, 8), cmap="Blues")
image.set(xticks=[], yticks=[], title="of the pixels")
fig.colorbar(shown, ax=image, label="relevance")
plt.show()
