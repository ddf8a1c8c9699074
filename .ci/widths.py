"""No element of the site is wider than its page, on a phone and on a desk.

usage: python .ci/widths.py FOLDER    (html/ of .ci/docs)

Needs playwright and a Chromium or Chrome, which CHROMIUM or the path names. What
scrolls by itself on a phone, a wide table or formula, is no fault there; on a desk
tables must fit.
"""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PHONE, DESK = 390, 1400

# What sticks out of the window and lies in nothing that scrolls.
STICKS_OUT = """() => {
    const width = document.documentElement.clientWidth, found = [];
    const style = getComputedStyle;
    const scrolls = e => ["auto", "scroll"].includes(style(e).overflowX);
    const inScroller = e =>
        e.parentElement && (scrolls(e.parentElement) || inScroller(e.parentElement));
    for (const e of document.querySelectorAll("body *")) {
        const box = e.getBoundingClientRect();
        if (!box.width || !box.height || style(e).visibility !== "visible") continue;
        const sticksOut = box.right > width + 1 || box.left < -1;
        const isCut = e.matches("WHOLE") && e.scrollWidth > e.clientWidth + 1;
        const isClosed = e.closest("dialog, .pst-sidebar-hidden");
        if (isCut || (sticksOut && !inScroller(e) && !isClosed))
            found.push(`${e.className}: ${e.textContent.trim().slice(0, 40)}`);
    }
    return found;
}"""
# What must not even scroll.
WHOLE = {
    PHONE: ".nothing",
    DESK: ".pst-scrollable-table-container",
}


def main(folder: Path) -> int:
    """The number of elements that are too wide."""
    names = ("chromium", "google-chrome", "chrome")
    browser_path = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, names))
    )
    pages, n_faults = sorted(folder.rglob("*.html")), 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox"]
        )
        for width, whole in WHOLE.items():
            window = browser.new_page(viewport={"width": width, "height": 900})
            for page in pages:
                window.goto(page.resolve().as_uri(), wait_until="load")
                for fault in window.evaluate(STICKS_OUT.replace("WHOLE", whole)):
                    print(f"{width} px, {page.relative_to(folder)}: {fault!r}")
                    n_faults += 1
        browser.close()
    print(f"{len(pages)} pages at {PHONE} and {DESK} px: {n_faults} elements too wide")
    return n_faults


if __name__ == "__main__":
    sys.exit(bool(main(Path(sys.argv[1]))))
