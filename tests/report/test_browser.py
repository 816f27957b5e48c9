"""The page in headless Chromium: slider, curves, nodes and run selector change what is shown."""

import numpy as np
import polars
import pytest

from prunescope.report import write_report
from prunescope.runs.directory import Run
from prunescope.runs.writer import open_run
from stored_runs import write_run

PIXELS = (
    """canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"""
)
FIRST_MASK = "#trained .node >> nth=0 >> canvas >> nth=0"


def _pixels(page, selector):
    return page.locator(selector).evaluate(PIXELS)


def _rgb(page, selector):
    """Canvas pixels as [H, W, 3]."""
    canvas = page.locator(selector)
    height, width = canvas.evaluate("canvas => [canvas.height, canvas.width]")
    return np.array(_pixels(page, selector)).reshape(height, width, 4)[..., :3]


def _shown(page):
    """Everything that belongs to a level, as values that can be compared."""
    return {
        "reading": page.locator("#reading").inner_text(),
        "spoken": page.locator("#level").get_attribute("aria-valuetext"),
        "mask": _pixels(page, FIRST_MASK),
        "weights": _pixels(page, "#trained .node >> nth=0 >> canvas >> nth=1"),
        "captions": page.locator("#trained").inner_text(),
        "shuffled": _pixels(page, "#shuffled .node >> nth=0 >> canvas >> nth=0"),
        "same": _pixels(page, "#same"),
        "different": _pixels(page, "#different"),
        "radial": page.locator("#radial").inner_html(),
        "histogram": page.locator("#histogram").inner_html(),
        "ablation": page.locator("#ablation").inner_html(),
        "numbers": page.locator("#numbers").inner_text(),
    }


def _set_level(page, index):
    page.locator("#level").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", str(index)
    )


def _at_best(page):
    _set_level(page, 9)
    return page


def test_first_shown_is_the_sparsest_level_no_worse_than_dense(open_page, page_file):
    page = open_page(page_file)
    assert page.locator("#level").input_value() == "11"
    assert page.locator("#reading b").inner_text() == "level 11 · u = 2 %"
    assert page.locator("#trained button.node:visible").count() == 32


def test_masks_are_those_of_the_run(open_page, page_file, seeds):
    page = _at_best(open_page(page_file))
    _set_level(page, 7)
    mask, weight = seeds[0].mask(7), seeds[0].model(7).layers[0].weight
    ranked = np.argsort(-mask.fan_in, kind="stable")
    for rank in (0, 31):
        node = ranked[rank]
        expected = mask.array[node].reshape(seeds[0].shape).transpose(1, 2, 0)
        place = f"#trained .node >> nth={rank}"
        np.testing.assert_array_equal(_rgb(page, f"{place} >> canvas >> nth=0"), 255 * expected)
        kept = np.where(mask.array[node], weight[node], 0)
        scaled = (kept - kept.min()) / (kept.max() - kept.min())
        expected = 255 * scaled.reshape(seeds[0].shape).transpose(1, 2, 0)
        assert np.abs(_rgb(page, f"{place} >> canvas >> nth=1") - expected).max() <= 1
        shuffled = _rgb(page, f"#shuffled .node >> nth={rank} >> canvas >> nth=0")
        assert (shuffled == 255).sum() == mask.fan_in[node] == int(page.locator(place).inner_text())


def test_slider_changes_everything_together_and_back(open_page, page_file):
    page = _at_best(open_page(page_file))
    before = _shown(page)
    _set_level(page, 3)
    after = _shown(page)
    assert [name for name in before if before[name] == after[name]] == []
    _set_level(page, 9)
    assert _shown(page) == before


def test_keyboard_moves_the_slider(open_page, page_file):
    page = _at_best(open_page(page_file))
    before = _shown(page)
    page.locator("#level").focus()
    page.keyboard.press("ArrowRight")
    after = _shown(page)
    assert after["reading"].startswith("level 10 ")
    assert [name for name in before if before[name] == after[name]] == []
    page.keyboard.press("Home")
    assert page.locator("#reading").inner_text().startswith("level 0 ")
    assert "fan-in variance / binomial\nnot defined" in page.locator("#numbers").inner_text()


@pytest.mark.parametrize("curve", ["accuracy", "locality", "spread"])
def test_click_on_a_curve_chooses_the_level(curve, open_page, page_file):
    page = _at_best(open_page(page_file))
    before = _shown(page)
    point = page.locator(f"#{curve} circle.dot").nth(2).bounding_box()
    page.mouse.click(point["x"] + 3, point["y"] + 20)
    number = 3 if curve == "spread" else 2  # the dense level has no fan-in variance, hence no point
    assert page.locator("#level").input_value() == str(number)
    assert _shown(page)["mask"] != before["mask"]


def test_maps_relative_to_chance(open_page, page_file):
    page = _at_best(open_page(page_file))
    counts = _pixels(page, "#same")
    page.get_by_label("g(d), relative to chance").check()
    assert _pixels(page, "#same") != counts
    assert "× chance" in page.locator("#same-caption").inner_text()
    _set_level(page, 0)  # dense: every displacement is at chance, the pale middle of the colours
    centre = _rgb(page, "#same")[11, 12]
    np.testing.assert_allclose(centre, [247, 247, 247], atol=2)


def test_click_opens_a_node_with_its_own_images_and_escape_closes_it(open_page, page_file, seeds):
    page = _at_best(open_page(page_file))
    seen = seeds[0].observations(9)
    for rank in (0, 4):
        page.locator("#trained button.node").nth(rank).click()
        assert page.locator("#node").is_visible()
        assert page.locator("#node-title").inner_text() == f"Node {seen['nodes'][rank]}"
        assert _pixels(page, "#node-mask") == _pixels(
            page, f"#trained .node >> nth={rank} >> canvas >> nth=0"
        )
        for k in range(3):
            expected = seen["top_images"][rank, k].reshape(seeds[0].shape).transpose(1, 2, 0)
            np.testing.assert_array_equal(_rgb(page, f"#node-images canvas >> nth={k}"), expected)
            caption = page.locator("#node-images figcaption").nth(k).inner_text()
            assert float(caption.split()[1]) == pytest.approx(
                float(seen["top_activations"][rank, k]), rel=0.01
            )
        page.keyboard.press("Escape")
        assert not page.locator("#node").is_visible()


def test_a_node_opens_and_closes_from_the_keyboard_and_keeps_the_focus(open_page, page_file):
    page = _at_best(open_page(page_file))
    page.locator("#trained button.node").nth(3).focus()
    page.keyboard.press("Enter")
    assert page.locator("#node").is_visible()
    page.keyboard.press("Enter")  # the close button has the focus
    assert not page.locator("#node").is_visible()
    focused = "document.activeElement === document.querySelectorAll('#trained button.node')[3]"
    assert page.evaluate(focused)


def test_click_beside_the_node_closes_it(open_page, page_file):
    page = _at_best(open_page(page_file))
    page.locator("#trained button.node").first.click()
    page.locator("#node-title").click()
    assert page.locator("#node").is_visible()
    page.mouse.click(5, 450)
    assert not page.locator("#node").is_visible()


def test_a_node_without_stored_images_says_so(open_page, page_file):
    page = _at_best(open_page(page_file))
    page.locator("#trained button.node").nth(31).click()
    assert page.locator("#node-images").inner_text() == "not measured"


def test_run_selector(open_page, page_file, seeds):
    page = _at_best(open_page(page_file))
    before = _shown(page)
    page.locator("#run").select_option("1")
    after = _shown(page)
    assert after["mask"] != before["mask"]
    assert after["reading"].startswith("level 9 ")
    assert "seed 1" in page.locator("#footer").inner_text()
    page.locator("#trained button.node").first.click()
    expected = seeds[1].observations(9)["top_images"][0, 0].reshape(seeds[1].shape).transpose(1, 2, 0)
    np.testing.assert_array_equal(_rgb(page, "#node-images canvas >> nth=0"), expected)


@pytest.mark.parametrize("width", [390, 320, 768, 1280])
def test_no_sideways_scrolling(width, open_page, page_file):
    page = open_page(page_file, width, 844)
    for index in (0, 9):
        _set_level(page, index)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("#trained button.node").first.click()
    box = page.locator("#node").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert page.locator("#node").evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")


def test_hostile_names_are_shown_and_do_not_run(open_page, page_file):
    page = _at_best(open_page(page_file))
    assert page.title() == "synthetic · prunescope"
    assert "<img src=x onerror" in page.locator(".classes").inner_text()
    assert page.locator(".classes img").count() == 0


def test_the_policy_stops_a_foreign_script(browser, page_file, tmp_path):
    text = page_file.read_text("utf-8").replace(
        "</body>", "<script>document.title = 'hacked'</script></body>"
    )
    (tmp_path / "changed.html").write_text(text, "utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "changed.html").as_uri())
    page.wait_for_selector("button.node")
    assert page.title() == "synthetic · prunescope"
    page.close()


def test_grey_images_and_two_experiments(open_page, tmp_path, seeds):
    grey = write_run(tmp_path / "grey", shape=(1, 10, 8), levels=6, hidden=(16, 12), name="grey")
    page = open_page(write_report([grey, seeds[0]], tmp_path / "both.html"))
    assert page.locator("#different-figure").is_hidden()
    shown = _rgb(page, FIRST_MASK)
    assert shown.shape == (10, 8, 3)
    assert (shown[..., 0] == shown[..., 2]).all()
    facts = page.locator("#facts").inner_text()
    page.locator("#run").select_option("1")
    assert page.locator("#different-figure").is_visible()
    assert page.locator("#facts").inner_text() != facts
    assert _rgb(page, FIRST_MASK).shape == (12, 12, 3)


def test_each_fact_is_of_the_run_that_is_chosen(open_page, tmp_path, seeds):
    """Classes, channels, images and what is known of the dense network are of one experiment, and change with it."""
    grey = write_run(
        tmp_path / "grey",
        shape=(1, 10, 8),
        hidden=(16, 12),
        name="grey",
        classes=("A", "B"),
        densities=(0.1, 0.03),
    )
    with open_run(grey.experiment, 0, tmp_path / "grey") as writer:
        writer.write_about(data=grey.data | {"validation_images": 4000})
        writer.write_table(
            [row | {"heldout_accuracy": None, "heldout_images": 0} for row in grey.table.to_dicts()],
            grey.table.schema,
        )
    page = open_page(write_report([Run(grey.path), seeds[0]], tmp_path / "both.html"))

    def said():
        return page.locator("body").inner_text()

    assert "classes A, B" in said()
    assert "kept weights white;" in said()
    assert "one colour for each image channel" not in said()
    assert "of 4,000 images" in page.locator("#reading").inner_text()
    assert "no held-out images" in page.locator("#numbers").inner_text()
    assert (
        "(1 seed on 4,000 images, so without a spread)" in page.locator("#accuracy ~ figcaption").inner_text()
    )
    assert page.locator("#dense-key").is_hidden()
    first = page.locator(".of-group").inner_text()
    page.locator("#run").select_option("1")
    assert "classes A, B" not in said()
    assert f"classes {seeds[0].classes[0]}, {seeds[0].classes[1]}" in said()
    assert "one colour for each image channel" in said()
    assert "kept weights white;" not in said()
    assert "of 200 images" in page.locator("#reading").inner_text()
    assert "held-out accuracy on 500 images" in page.locator("#numbers").inner_text()
    assert (
        "(1 seed on 200 images, so without a spread)" in page.locator("#accuracy ~ figcaption").inner_text()
    )
    assert "Validation accuracy on 200 images" in page.locator("#ablation ~ figcaption").inner_text()
    assert page.locator("#dense-key").is_visible()
    assert page.locator(".of-group").inner_text() != first


def test_what_all_experiments_agree_in_is_said_once(open_page, tmp_path, seeds):
    other = write_run(
        tmp_path / "other", seed=0, classes=seeds[0].classes, flip=True, levels=5, hidden=(16, 12)
    )
    page = open_page(write_report([seeds[0], other], tmp_path / "both.html"))
    assert page.locator(".classes").first.inner_text().startswith("Classes: ")
    assert page.locator("#classes").count() == 0


def test_seeds_of_which_one_has_gone_further(open_page, tmp_path):
    runs = [write_run(tmp_path / "runs", seed=seed, levels=6, hidden=(16, 12)) for seed in range(2)]
    with open_run(runs[1].experiment, 1, tmp_path / "runs") as writer:
        writer.write_table(runs[1].table.filter(polars.col("level") < 4).to_dicts(), runs[1].table.schema)
    page = open_page(write_report(runs, tmp_path / "report.html"))
    _set_level(page, 5)
    assert page.locator("#reading").inner_text().startswith("level 5 ")
    point = page.locator("#accuracy .now-dot").bounding_box()
    plot = page.locator("#accuracy").bounding_box()
    assert plot["x"] < point["x"] < point["x"] + point["width"] < plot["x"] + plot["width"] + 1
    page.locator("#run").select_option("1")  # has no level 5: its last one is shown
    assert page.locator("#reading").inner_text().startswith("level 3 ")
