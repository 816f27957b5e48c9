"""Tables in Markdown: run with `pytest tests/analysis/test_markdown.py`."""

from prunescope.analysis.markdown import in_markdown, markdown_line, markdown_table


def test_a_table_is_a_heading_a_ruler_and_its_rows():
    assert markdown_table(["a", "b", "c"], [["1", "2", "3"], ["x", "", "z"]], right=2) == (
        "| a | b | c |\n| --- | ---: | ---: |\n| 1 | 2 | 3 |\n| x |  | z |"
    )


def test_a_table_may_be_gone_on_with():
    begun = markdown_table(["a", "b"])
    assert f"{begun}\n{markdown_line(['1', '2'])}" == markdown_table(["a", "b"], [["1", "2"]])


def test_a_text_ends_no_cell_and_no_line_and_is_no_html():
    assert in_markdown("a|b\n<img src=x>\u2028c") == r"a\|b &lt;img src=x> c"
