"""Links of the distribution, from ``sklearn_relulogit/_links.py``, when it is built.

On a package index the README stands alone: its links and pictures lead to the site, or
else to the source, or else are the names of files.
"""

import re
import runpy
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface


class LinksHook(MetadataHookInterface):
    """Sets `urls` and `readme`."""

    def update(self, metadata: dict) -> None:
        """Set both."""
        root = Path(self.root)
        links = runpy.run_path(str(root / "sklearn_relulogit" / "_links.py"))
        site, source = links["SITE"], links["SOURCE"]
        metadata["urls"] = urls(site, source)
        readme = (root / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": with_links(readme, site, source),
        }


def urls(site: str, source: str) -> dict[str, str]:
    """The project's links on a package index."""
    docs = site or (f"{source}/blob/main/docs/" if source else "")
    ending = "html" if site else "md"
    found = {
        "Documentation": docs and (site or f"{docs}getting_started.md"),
        "Changelog": docs and f"{docs}changelog.{ending}",
        "Source": source,
        "Issues": source and f"{source}/issues",
    }
    return {name: url for name, url in found.items() if url}


def with_links(readme: str, site: str, source: str) -> str:
    """The README with links that hold without the files beside it."""

    def link(match: re.Match[str]) -> str:
        mark, text, folder, name, ending = match.groups()
        path = f"{folder}/{name}.{ending}"
        if site:
            page = {"docs": "", "examples": "auto_examples/"}[folder] + name
            return f"{mark}[{text}]({site}{page}.{'png' if mark else 'html'})"
        if source:
            return f"{mark}[{text}]({source}/{'raw' if mark else 'blob'}/main/{path})"
        return text if text == path else f"{text} (`{path}`)"

    pattern = r"(!?)\[([^\]]*)\]\((docs|examples)/([\w/]+)\.(md|py|png)\)"
    return re.sub(pattern, link, readme)
