"""Check the built site: every link inside it leads to a page and a place that exist.

usage: python .ci/links.py HTML_FOLDER
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._links import doc_link_template

HTML = Path(sys.argv[1]).resolve()


class Page(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places = {"", "top"}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect links and places."""
        for name, value in attrs:
            if name == "id" or (name == "name" and tag == "a"):
                self.places.add(value or "")
            elif name in ("href", "src"):
                self.links.add(value or "")


pages = {
    path: Page(path)
    for path in sorted(HTML.rglob("*.html"))
    if "_static" not in path.parts  # Templates of the theme.
}
broken = []
n_links = 0
for path, page in pages.items():
    for link in page.links:
        scheme, host, target, _, place = urlsplit(link)
        if scheme or host:
            continue
        n_links += 1
        to = (path.parent / unquote(target)).resolve() if target else path
        if to.is_dir():
            to /= "index.html"
        if not to.is_file():
            broken.append(f"{path.relative_to(HTML)}: no page {link}")
        elif to in pages and unquote(place) not in pages[to].places:
            broken.append(f"{path.relative_to(HTML)}: no place {link}")

# The HTML representation of an estimator will link to its page.
name = ReLULogisticClassifier.__name__
reference = doc_link_template("site/", "").removeprefix("site/")
reference = reference.format(estimator_module="sklearn_relulogit", estimator_name=name)
if not (HTML / reference).is_file():
    broken.append(f"doc_link_template: no page {reference}")

print(f"{len(pages)} pages, {n_links} links inside, {len(broken)} broken")
sys.exit("\n".join(broken) or 0)
