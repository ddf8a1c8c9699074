"""Write the names of scikit-learn, for links from the site, as an inventory of Sphinx.

The site is built without a network, so the inventory is kept in the repository. Run
this with the newest scikit-learn when names have come or gone.

usage: python .ci/inventory.py > docs/inventories/scikit-learn.inv
"""

import importlib
import inspect

import sklearn
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer

# Their imports make more names known.
assert enable_halving_search_cv
assert enable_iterative_imputer

MODULES = [*sklearn.__all__, "utils", "utils.validation", "utils.estimator_checks"]
names = {}
for short in sorted({name for name in MODULES if not name.startswith("_")}):
    try:
        module = importlib.import_module(f"sklearn.{short}")
    except ImportError:
        continue  # A function of the package itself.
    names[module.__name__] = "mod"
    for name in getattr(module, "__all__", ()):
        thing = getattr(module, name)
        if inspect.isclass(thing):
            names[f"{module.__name__}.{name}"] = "class"
        elif callable(thing):
            names[f"{module.__name__}.{name}"] = "function"
for name in ("clone", "config_context", "get_config", "set_config", "show_versions"):
    names[f"sklearn.{name}"] = "function"

print("# Sphinx inventory version 1")
print("# Project: scikit-learn")
print(f"# Version: {sklearn.__version__}")
for name, kind in sorted(names.items()):
    folder = "api" if kind == "mod" else "modules/generated"
    print(f"{name} {kind} {folder}/{name}.html")
