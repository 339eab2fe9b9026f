"""One build in one process: `python -m kanbook.render`, started by `kanbook.build`.

Sphinx changes docutils' global tables and the interpreter's logging, so it gets a
process of its own. The job comes as JSON on standard input; warnings go to standard
error; the exit code says whether the site is whole.
"""

import json
import logging
import sys
import warnings
from pathlib import Path


def main() -> int:
    """Render the job's book and return the exit code."""
    # What libraries deprecate is no fault of the book.
    warnings.simplefilter("ignore")
    # Nor that matplotlib takes another font than the social cards ask for.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from jupyter_book.sphinx import build_sphinx

    job = json.load(sys.stdin)
    html = Path(job["html"])
    result = build_sphinx(
        job["root"],
        html,
        noconfig=True,
        path_config=Path(job["root"], "_config.yml"),
        confoverrides={
            "external_toc_path": str(Path(job["root"], "_toc.yml")),
            "latex_individualpages": False,
            "kanbook_executed": job["executed"],
            "nitpicky": True,
        },
        doctreedir=html.with_name("doctrees"),
        freshenv=True,
        warningiserror=job["strict"],
        keep_going=True,
    )
    # Sphinx returns the exception that stopped it, and 1 after warnings.
    return 1 if isinstance(result, BaseException) else int(result)


if __name__ == "__main__":
    sys.exit(main())
