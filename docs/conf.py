"""The documentation site: Sphinx, with the gallery run from ``examples/``.

``.ci/docs FOLDER`` builds it, from a copy, since the gallery and the reference write
their pages beside the others.
"""

import builtins
import re
import warnings
from pathlib import Path
from typing import Any

from docutils import nodes
from math_core import LatexToMathML
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.nodes import get_node_source
from sphinx_gallery.sorting import ExplicitOrder

import sklearn_relulogit
from sklearn_relulogit._links import SITE, SOURCE

ROOT = Path(__file__).parent.parent

project = "sklearn_relulogit"
author = "The sklearn_relulogit developers"
project_copyright = author
release = sklearn_relulogit.__version__
version = ".".join(release.split(".")[:2])

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "inventories"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
copybutton_exclude = ".linenos, .gp, .go"

# -- Reference
# The class pages list the methods by their template, with those of the base classes
# that belong to the public interface.
autosummary_generate = True
numpydoc_show_class_members = False
autodoc_typehints = "none"  # The docstrings say more.
toc_object_entries_show_parents = "hide"
nitpicky = True
nitpick_ignore_regex = [
    # Libraries without an inventory here.
    (r"py:.*", r"(numpy|scipy|pandas|matplotlib|skl2onnx|onnx|torch)\..*"),
]
# The site is built without a network: .ci/inventory.py writes scikit-learn's names.
intersphinx_mapping = {
    "sklearn": ("https://scikit-learn.org/stable", "inventories/scikit-learn.inv"),
    "joblib": ("https://joblib.readthedocs.io/en/stable", "inventories/joblib.inv"),
}

# -- Gallery
sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples"),
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/",
    "within_subsection_order": ExplicitOrder(
        ["quickstart.py", "from_table_to_service.py", "*"]
    ),
    "abort_on_example_error": True,
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_relulogit",),
    "default_thumb_file": str(ROOT / "docs/_static/logo.svg"),
    "image_srcset": ["2x"],
    "remove_config_comments": True,
    "write_computation_times": False,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "capture_repr": (),  # The examples print what they mean to show.
}
# The gallery gives examples no __file__, by which they find what lies beside them.
builtins.__file__ = str(ROOT / "examples" / "example.py")
# What an example means to warn of, it shows; nothing else should.
warnings.filterwarnings("error", module="sklearn_relulogit")

# -- Look
html_theme = "pydata_sphinx_theme"
html_title = project
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_sidebars = {"index": [], "getting_started": [], "changelog": []}
if SITE:
    html_baseurl = SITE
html_theme_options = {
    "icon_links": [{"name": "Source", "url": SOURCE, "icon": "fa-brands fa-github"}]
    if SOURCE
    else [],
    "logo": {"text": project, "alt_text": f"{project}: start page"},
    "show_prev_next": True,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


# -- Mathematics
# As MathML, which browsers lay out themselves: no script, no network.
TO_MATHML = LatexToMathML()


def mathml(tex: str, *, as_block: bool) -> str:
    r"""MathML of a formula; its ``\tag``, which MathML lacks, stands at its right."""
    tex, *tag = re.split(r"\\tag\{(.*?)\}", tex)[:2]
    formula = TO_MATHML.convert_with_local_state(tex, displaystyle=as_block)
    number = f'<span class="eqno">({tag[0]})</span>' if tag else ""
    return f'<div class="math">{formula}{number}</div>' if as_block else formula


def visit_math(self, node: nodes.math) -> None:
    """An inline formula."""
    self.body.append(mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def visit_math_block(self, node: nodes.math_block) -> None:
    """A displayed formula."""
    self.body.append(mathml(node.astext(), as_block=True))
    raise nodes.SkipNode


# -- Names
def linked_names() -> dict[str, str]:
    """What names in the text link to: our public ones, and the classes of sklearn."""
    inventory = Path(__file__).parent / "inventories" / "scikit-learn.inv"
    lines = inventory.read_text(encoding="utf-8").splitlines()[3:]
    classes = [line.split()[0] for line in lines if line.split()[1] == "class"]
    names = {name.rpartition(".")[2]: name for name in classes}
    return names | {name: f"sklearn_relulogit.{name}" for name in PUBLIC}


PUBLIC = sklearn_relulogit.__all__
NAMES = linked_names()


def link_names(app: Sphinx, document: nodes.document) -> None:
    """Make links of the first mention of each such name on a page, but in headings."""
    if app.env.docname.startswith(("generated/", "auto_examples/")):
        return
    seen = set()
    for literal in list(document.findall(nodes.literal)):
        name = literal.astext()
        if name not in NAMES or name in seen or literal.get("classes"):
            continue
        parents = []
        node = literal.parent
        while node is not None:
            parents.append(type(node))
            node = node.parent
        if not {nodes.title, nodes.reference, pending_xref}.isdisjoint(parents):
            continue
        seen.add(name)
        link = pending_xref(
            "", refdomain="py", reftype="obj", reftarget=NAMES[name], refwarn=True
        )
        literal.replace_self(link)
        link += literal


def outside(app: Sphinx, env: Any, node: nodes.Element, text: nodes.Node) -> Any:
    """The text of a reference into scikit-learn's guide, in a docstring from there."""
    source = get_node_source(node)
    return text if source and "docstring of sklearn." in source else None


def setup(app: Sphinx) -> None:
    """Register the renderer of formulas, and what to do with references to outside."""
    app.connect("doctree-read", link_names)
    app.connect("missing-reference", outside, priority=900)  # After intersphinx.
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.config.html_math_renderer = "mathml"
