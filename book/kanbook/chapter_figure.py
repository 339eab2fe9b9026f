"""A chapter's moving figure on another page: {chapter-figure} PAGE CELL."""

import base64
import hashlib
import json
import os
from pathlib import Path

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector

from kanbook.directives import Generated
from kanbook.files import write_whole
from kanbook.printed import still_of
from kanbook.still import WIDGET_STATE, WIDGET_VIEW, widget_of


class ChapterFigure(Generated):
    """The widget that one cell of a chapter shows, alive as it is there."""

    required_arguments = 2

    def made(self) -> list[nodes.Node]:
        """Return the place of the figure; its state and scripts go to the page."""
        page, cell = self.arguments
        if page not in self.site.chapters:
            raise ValueError(
                f"no chapter {page!r}; expected one of {', '.join(self.site.chapters)}"
            )
        notebook = json.loads(self.site.source(page).read_text("utf-8"))
        if self.on_paper:
            return [self._still(still_of(notebook, cell))]
        view, state = widget_of(notebook, cell)
        self._script(WIDGET_STATE, type=WIDGET_STATE, body=_in_html(state))
        for path, attributes in self.config.nb_ipywidgets_js.items():
            self._script(path, path, **attributes)
        script = f'<script type="{WIDGET_VIEW}">{_in_html(view)}</script>'
        # The class under which the chapter's own page shows its outputs.
        return [nodes.container("", *self.html(script), classes=["cell_output"])]

    def _still(self, picture: tuple[str, str]) -> nodes.Node:
        png, alt = picture
        content = base64.b64decode(png)
        name = hashlib.sha256(content).hexdigest()
        path = Path(self.env.app.outdir).with_name("stills") / f"{name}.png"
        write_whole(path, content)
        uri = "/" + os.path.relpath(path, self.env.app.srcdir)
        return nodes.image("", uri=uri, alt=alt, width="100%")

    def _script(self, key: str, path: str | None = None, **attributes: str) -> None:
        NbMetadataCollector.add_js_file(
            self.env, self.env.docname, key, path, attributes
        )


def _in_html(data: object) -> str:
    """Write JSON that no text inside can end the script element of."""
    return json.dumps(data).replace("</", "<\\/")
