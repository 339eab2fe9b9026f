"""What a notebook becomes on paper, and the rule that each output can become it."""

import base64
import copy
import json
from pathlib import Path

import pytest
from kanbook import ledger, print_records
from kanbook.chapters import all_chapters
from kanbook.printed import printed, still_of, unprintable
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kanlib.claims import Ledger, at_most, equal, evaluate, not_checkable

REPOSITORY = Path(__file__).parents[2]
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
PRINTABLE = {"image/png", "text/markdown", "text/plain"}


def png(width: int, height: int) -> str:
    """The first bytes of a PNG; nothing here looks further."""
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + size).decode()


def notebook(*bundles: dict, tags: tuple[str, ...] = ()) -> dict:
    outputs = [new_output("display_data", data=bundle) for bundle in bundles]
    cell = new_code_cell("draw()", id="drawn", outputs=outputs)
    cell.metadata["tags"] = list(tags)
    return new_notebook(cells=[new_markdown_cell("# Title", id="title"), cell])


def shown(made: dict) -> list[dict]:
    return [o["data"] for cell in made["cells"] for o in cell.get("outputs", [])]


def markdown(bundle: dict, **how: tuple[str, ...]) -> str:
    (data,) = shown(printed(notebook(bundle, **how)))
    assert data.keys() == {"text/markdown"}
    return data["text/markdown"]


def figure(width: int = 1280, height: int = 640) -> dict:
    image = '<img class="kl-{}" alt="A {} bump." src="data:image/png;base64,{}">'
    light = image.format("light", "light", png(width, height))
    dark = image.format("dark", "dark", png(1300, 650))
    return {
        "image/png": png(640, 320),
        "text/html": f'<figure class="kl-figure">{dark}{light}</figure>',
        "text/plain": "Figure: A small bump.",
    }


def settled() -> Ledger:
    claims = Ledger("toy", paper="liu2024kan")
    facts = {"where": "table_1", "seen": "read", "at_most": 1.0}
    told = "Errors fall as $h^4$ *fast*."
    claims.claim("1", told, paper_value="[4]", parts=["1a"], **facts)
    claims.claim("1a", "A part.", paper_value="4", **facts)
    return claims


def test_a_figure_is_its_sharpest_light_picture() -> None:
    made = printed(notebook(figure()))
    assert shown(made) == [{"image/png": png(1280, 640)}]
    image = {"alt": "A light bump.", "width": "100%"}
    assert made["cells"][1]["metadata"]["mystnb"] == {"image": image}


def test_a_moving_figure_is_its_still() -> None:
    live = {VIEW: {"model_id": "m"}, "image/png": png(640, 400)}
    made = printed(notebook(live | {"text/plain": "Figure: A curve.\nmore"}))
    assert shown(made) == [{"image/png": png(640, 400)}]
    image = {"alt": "A curve.", "width": "80%"}
    assert made["cells"][1]["metadata"]["mystnb"] == {"image": image}


def test_each_picture_of_a_cell_keeps_its_own_text() -> None:
    second = figure() | {"text/html": "", "text/plain": "Figure: Another."}
    made = printed(notebook({"text/plain": "before"}, figure(), second))
    first, *rest = made["cells"][1:]
    assert [cell["id"] for cell in (first, *rest)] == ["drawn", "drawn-1", "drawn-2"]
    assert "remove-input" not in first["metadata"]["tags"]
    assert all("remove-input" in cell["metadata"]["tags"] for cell in rest)
    alts = [cell["metadata"]["mystnb"]["image"]["alt"] for cell in rest]
    assert alts == ["A light bump.", "Another."]


def test_code_that_is_folded_on_the_page_is_left_out() -> None:
    made = printed(notebook(figure(), tags=("hide-input",)))
    assert made["cells"][1]["metadata"]["tags"] == ["hide-input", "remove-input"]
    # A cell that shows nothing keeps its place, since messages count cells.
    made = printed(notebook(tags=("hide-input",)))
    assert made["cells"][1]["metadata"]["tags"] == ["hide-input", "remove-cell"]


def test_a_live_cell_is_its_last_result_and_says_where_it_runs() -> None:
    bundle = figure()
    bundle["text/html"] += "<p>RMSE 1e-3,\n with 5_4 parameters</p>"
    del bundle["image/png"]
    picture, said = shown(printed(notebook(bundle, tags=("try-it",))))
    assert picture == {"image/png": png(1280, 640)}
    expected = "RMSE 1e-3, with 5\\_4 parameters\n\nIt runs in Jupyter."
    assert said == {"text/markdown": expected}


def test_a_claim_is_a_card() -> None:
    claims = settled()
    claims.measure("1a", 0.5)
    text = markdown(claims.measure("1", 0.5).bundle())
    assert text.startswith("(claim-toy.1)=\n:::{container} kl-claim\n**toy.1** ")
    for line in (
        "Errors fall as $h^4$ \\*fast\\*.",
        "*Verdict:* **reproduced**",
        "*Paper:* \\[4\\] (table\\_1; read in the source)",
        "*Measured:* 0.5 (one value)",
    ):
        assert line in text


def test_the_ledger_of_a_chapter_is_a_table() -> None:
    claims = settled()
    records = [claims.measure(name, 0.5).bundle() for name in ("1a", "1")]
    table = claims.table()
    text = shown(printed(notebook(*records, table._repr_mimebundle_())))[-1]
    rows = text["text/markdown"].split("* - ")
    assert "{list-table}" in rows[0]
    assert "{ref}`toy.1 <claim-toy.1>`" in rows[2]
    assert "{ref}`toy.1a <claim-toy.1a>`" in rows[3]
    assert "*Condition:*" in rows[3]


def test_a_check_says_how_closely_both_sides_agree() -> None:
    sides = {"sum of $x_1$": equal(1.0, 1.0, atol=1e-9), "bound": at_most(1, 2)}
    text = markdown(evaluate("one", sides)._repr_mimebundle_())
    assert "{prf:ref}`one`, evaluated" in text
    assert "*sum of $x_1$:* largest difference 0, allowed 1e-09" in text
    assert "*bound:* left side at most 0.50 of the right side" in text
    why = not_checkable("one", because="it_is so")._repr_mimebundle_()
    assert "{prf:ref}`one` is not checkable here, because it\\_is so." in markdown(why)


def test_source_code_stays_code() -> None:
    html = '<div class="kl-source"><p><code>a/b.cu: one</code></p><pre>int</pre></div>'
    text = markdown({"text/html": html, "text/plain": "int x;\n```"})
    assert text == "`a/b.cu: one`\n\n````cuda\nint x;\n```\n````"


def test_other_html_is_its_plain_text() -> None:
    made = printed(notebook({"text/html": "<b>1</b>", "text/plain": "1"}))
    assert shown(made) == [{"text/plain": "1"}]


def test_the_notebook_itself_stays_as_it_is() -> None:
    given = notebook(figure(), tags=("hide-input",))
    given["metadata"]["widgets"] = {STATE: {}}
    before = copy.deepcopy(given)
    assert "widgets" not in printed(given)["metadata"]
    assert given == before


@pytest.mark.parametrize(
    ("bundle", "tags", "needed"),
    [
        ({"text/html": "<b>1</b>"}, (), "text/plain"),
        ({VIEW: {"model_id": "m"}, "text/plain": "w"}, (), "image/png"),
        ({"text/html": "<svg></svg>", "text/plain": "w"}, (), "image/png"),
        ({"text/html": "<p>last</p>", "text/plain": "w"}, ("try-it",), "image/png"),
    ],
)
def test_what_has_no_form_on_paper_is_named(
    bundle: dict, tags: tuple[str, ...], needed: str
) -> None:
    (said,) = unprintable(notebook(bundle, tags=tags), "chapters/kan/kan.ipynb")
    assert said.startswith("chapters/kan/kan.ipynb, cell drawn: an output is ")
    assert f"expected {needed} beside it" in said


@pytest.mark.parametrize("chapter", all_chapters(REPOSITORY), ids=str)
def test_every_output_of_a_chapter_has_a_form_on_paper(chapter) -> None:
    committed = json.loads(chapter.path.read_text("utf-8"))
    for cell in committed["cells"]:
        cell["source"] = "".join(cell["source"])
    assert list(unprintable(committed, chapter.name)) == []
    for cell in printed(committed)["cells"]:
        for output in cell.get("outputs", []):
            if "data" in output:
                assert len(output["data"]) == 1
                assert output["data"].keys() <= PRINTABLE
            if "image/png" in output.get("data", {}):
                assert len(cell["metadata"]["mystnb"]["image"]["alt"]) > 20


def test_a_still_is_found_by_its_cell() -> None:
    assert still_of(notebook(figure()), "drawn") == (png(1280, 640), "A light bump.")
    with pytest.raises(ValueError, match="no picture in a cell with the id 'lost'"):
        still_of(notebook(figure()), "lost")


def test_records_are_told_in_a_line() -> None:
    claims = settled()
    bundle = notebook(*(claims.measure(name, 0.5).bundle() for name in ("1a", "1")))
    found = ledger.in_order(ledger.records(bundle))
    report = {
        "finished": "2026-03-04T05:06:07+00:00",
        "profile": "book",
        "seconds": 41.2,
        "cpu_seconds": 33.7,
        "peak_mib": 1536.0,
        "versions": {"python": "3.11.9", "commit": "c0ffee"},
    }
    text = print_records.stamp_text(report, found, "")
    assert text == (
        "Executed 2026-03-04, profile book, 41 s (34 s CPU), 1.5 GiB peak memory. "
        "1 of 1 claims tested: 1 reproduced. Python 3.11.9. Commit c0ffee."
    )
    text = print_records.stamp_text(None, [], "beef")
    assert text == ("Outputs as committed; not executed for this edition. Commit beef.")
    assert print_records.tally_text([]) == "No claim is recorded yet."
