"""The console: one page, rendered on the server, that shows what the local Google Cloud holds.

It shows Google's resources as they are (pages for the team's own work live elsewhere), changes nothing, and needs
neither scripts nor anything from another host.

* `frame` – the page around every view, and which path is which view. Start here.
* `views`, `runs` with `graph`, `endpoints`, `inbox` – what is shown; `parts` – what several of them share.
* `markup` – elements, escaped; `style.css` – how they look, light and dark.
"""

from emulator.console.frame import page

__all__ = ["page"]
