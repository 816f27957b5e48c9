"""The page of a network's layers in headless Chromium: run with `pytest tests/report/observed/test_layers_browser.py`."""

from dataclasses import replace

import numpy as np
import pytest

from observed_layers import observed_layer
from prunescope.layers import LayerForm, ObservedNetwork
from prunescope.report.observed import write_layers_page

RNG = np.random.default_rng(1)
SHAPE = (3, 8, 8)
COUNT = 40
# Names come from files: these would run if the page let them.
HOSTILE = ("<img src=x onerror=document.title='hacked'>", "</script><script>document.title='hacked'</script>")
PIXELS = (
    "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"
    ".filter((_, i) => i % 4 < 3)"
)


def _mask(n_out, n_in, density=0.2):
    return RNG.random((n_out, n_in)) < density


@pytest.fixture(scope="module")
def observed():
    """Forty layers, the first on images; number 17 keeps all weights of a few units; one has a kind with arrays."""
    masks = {HOSTILE[0]: _mask(40, 192), HOSTILE[1]: _mask(30, 40)}
    masks |= {f"layer{number}": _mask(30, 30, 0.05 + number / 100) for number in range(3, COUNT + 1)}
    masks["layer17"] = np.repeat(RNG.random(30) < 0.3, 30).reshape(30, 30)
    layers = [
        observed_layer(name, mask, SHAPE if name == HOSTILE[0] else None) for name, mask in masks.items()
    ]
    form = LayerForm("convolution", (30, 10, 1, 3))
    arrays = dict(layers[20].arrays) | {
        "<b>positions</b>": np.array([[0.1, 0.4, 0.2]]),
        "kernel_positions": np.array([[0.1, 0.4], [0.2, 0.05]]),
        "channel_fan_in": np.arange(30),
        "several": RNG.random((20, 4, 5)),
        "heads": RNG.random(6),
        "words": np.array(["not drawn"]),
    }
    layers[20] = replace(layers[20], form=form, arrays=arrays)
    return ObservedNetwork("network.npz", tuple(layers), (f"{HOSTILE[0]} was left out",))


@pytest.fixture(scope="module")
def page_of_layers(observed, tmp_path_factory):
    return write_layers_page(observed, tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture
def page(open_page, page_of_layers):
    return open_page(page_of_layers, ready="#ranking tbody tr")


def _column(page, number):
    return page.locator(f"#ranking tbody td:nth-child({number})").all_inner_texts()


def _names(page):
    return page.locator("#ranking .open").all_inner_texts()


def test_layers_are_ranked_as_the_network_ranks_them(page, observed):
    assert _names(page) == [layer.name for layer in observed.ranked]
    assert _names(page)[0] == "layer17"
    name, scalar = observed.ranked[0].farthest
    assert name == "fan_in_variance_ratio"
    first = page.locator("#ranking tbody tr").first
    assert "fan-in variance" in first.inner_text()
    assert first.locator(".z").inner_text() == f"+{scalar.z:.0f}"
    assert _column(page, 1) == [str(rank) for rank in range(1, COUNT + 1)]


@pytest.mark.parametrize(("column", "key"), [(5, "density"), (2, "name"), (9, "z"), (1, "rank")])
def test_a_click_on_a_heading_sorts_and_another_turns_the_order(column, key, page, observed):
    button = page.locator(f"#ranking button[data-key={key}]")
    button.click()
    once = _names(page)
    head = page.locator("#ranking th[aria-sort]")
    order = head.get_attribute("aria-sort")
    button.click()
    assert head.get_attribute("aria-sort") != order
    if key == "density":
        by_density = sorted(observed, key=lambda layer: -layer.density)
        assert once[:3] == [layer.name for layer in by_density[:3]]
    if key == "name":
        assert once[2:5] == ["layer3", "layer4", "layer5"]  # as numbers, not letter by letter
    assert (_names(page) == once[::-1]) == (key != "density" or len(set(_column(page, 5))) == COUNT)


def test_filters_by_name_and_kind(page):
    page.fill("#name", "LAYER1")
    assert sorted(_names(page)) == sorted(f"layer{number}" for number in range(10, 20))
    assert page.locator("#count").inner_text() == f"10 of {COUNT} layers"
    page.select_option("#kind", "convolution")
    assert page.locator("#none").is_visible()
    page.fill("#name", "")
    assert _names(page) == ["layer21"]


def test_layers_can_be_ranked_by_one_quantity(page, observed):
    page.select_option("#quantity", "locality")
    assert _names(page)[0] == HOSTILE[0]  # the only one that has it
    assert "locality" in page.locator("#ranking tbody tr").first.inner_text()
    assert _column(page, 9)[1] == "–"
    assert float(_column(page, 7)[0]) == pytest.approx(observed[0].scalars["locality"].value, rel=0.01)


def test_a_click_opens_a_layer_with_all_its_quantities_and_arrows_turn_to_the_next(page, observed):
    page.locator("#ranking tbody tr").first.click()
    assert page.locator("#layer-title").inner_text() == "layer17"
    scalar = observed.ranked[0].farthest[1]
    assert f"z = +{scalar.z:.0f}" in page.locator(".told").inner_text()
    assert page.locator(".scalars tbody tr").count() == sum(
        np.isfinite(one.value) for one in observed.ranked[0].scalars.values()
    )
    assert page.locator("#previous").is_disabled()
    page.keyboard.press("ArrowRight")
    assert page.locator("#layer-title").inner_text() == observed.ranked[1].name
    page.locator("#previous").click()
    assert page.locator("#layer-title").inner_text() == "layer17"
    page.keyboard.press("Escape")
    assert not page.locator("#layer").is_visible()
    # The page gives the focus back in a later turn. It forbids to evaluate text, as wait_for_function does.
    page.wait_for_selector("#ranking .open:focus")
    assert page.evaluate("document.activeElement.textContent") == "layer17"


def test_a_layer_opens_from_the_keyboard_and_from_the_address(page, open_page, page_of_layers):
    page.locator("#ranking .open").nth(3).focus()
    page.keyboard.press("Enter")
    assert page.locator("#layer").is_visible()
    number = page.evaluate("location.hash")
    again = open_page(page_of_layers, ready="#ranking tbody tr")
    again.goto(f"{page_of_layers.as_uri()}{number}")
    again.reload()
    assert again.locator("#layer-title").inner_text() == page.locator("#layer-title").inner_text()


def test_the_picture_of_a_mask_and_its_units_are_those_of_the_layer(page, observed):
    page.select_option("#quantity", "locality")
    page.locator("#ranking tbody tr").first.click()
    shown = np.array(page.locator("#detail canvas.mask").evaluate(PIXELS)).reshape(40, 192, 3)
    np.testing.assert_array_equal(shown, np.repeat(observed[0].arrays["picture"][:, :, None], 3, axis=2))
    assert page.locator(".tiles canvas").count() == 32
    for place in (0, 31):
        tile = np.array(page.locator(f".tiles canvas >> nth={place}").evaluate(PIXELS)).reshape(8, 8, 3)
        expected = observed[0].arrays["unit_masks"][place].transpose(1, 2, 0)
        np.testing.assert_array_equal(tile, 255 * expected)
        unit = observed[0].arrays["units"][place]
        caption = page.locator(".tiles figcaption").nth(place).inner_text()
        assert int(caption) == observed[0].arrays["fan_in"][unit]


def test_arrays_of_a_kind_are_drawn_as_bars_and_maps(page):
    page.fill("#name", "layer21")
    page.locator("#ranking tbody tr").first.click()
    titles = page.locator(".own h3").all_inner_texts()
    assert titles == ["<b>positions</b>", "Kernel positions", "Channels of a filter", "several", "Heads"]
    assert page.locator(".own figure").first.locator("rect.bar").count() == 3
    assert page.locator(".cells span").all_inner_texts() == ["10 %", "40 %", "20 %", "5 %"]
    assert page.locator(".own figure").nth(2).locator("rect.bar").count() == 30
    several = page.locator(".own figure").nth(3)
    assert several.locator(".maps-of canvas").count() == 16
    assert "the first 16 of 20" in several.inner_text()
    assert page.locator(".own figure").nth(4).locator("rect.bar").count() == 6


def test_a_click_in_either_picture_by_depth_opens_the_layer_there(page, observed):
    dots = page.locator("#densities circle")
    assert dots.count() == COUNT
    dots.nth(24).click()
    assert page.locator("#layer-title").inner_text() == "layer25"
    page.keyboard.press("Escape")
    box = page.locator("#heat canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 16.5 / COUNT, box["y"] + 3)
    assert page.locator(".heat-now").inner_text().startswith("layer17: fan-in variance, z = +")
    page.mouse.click(box["x"] + box["width"] * 16.5 / COUNT, box["y"] + 3)
    assert page.locator("#layer-title").inner_text() == "layer17"


def test_names_of_files_are_text_and_nothing_else(page):
    assert set(HOSTILE) < set(_names(page))
    page.fill("#name", "script")
    page.locator("#ranking tbody tr").first.click()
    assert page.locator("#layer-title").inner_text() == HOSTILE[1]
    assert page.locator("img").count() == 0
    assert page.title().startswith("network.npz")
    assert HOSTILE[0] in page.locator("#notes").inner_text()


@pytest.mark.parametrize("width", [390, 320, 768, 1280])
def test_no_scrolling_sideways(width, open_page, page_of_layers):
    page = open_page(page_of_layers, width, 844, ready="#ranking tbody tr")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for name in ("layer21", "img"):
        page.fill("#name", name)
        page.locator("#ranking .open").first.click()
        box = page.locator("#layer").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert page.locator("#layer").evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
        page.keyboard.press("Escape")


def test_one_layer_is_shown_whole_at_once(open_page, observed, tmp_path):
    one = replace(observed, layers=(observed[0],))
    page = open_page(write_layers_page(one, tmp_path / "one.html"), ready="#alone .scalars")
    assert page.locator("#ranking").count() == 0
    assert page.locator("#alone .tiles canvas").count() == 32
    assert page.locator("#alone h2").inner_text() == HOSTILE[0]
