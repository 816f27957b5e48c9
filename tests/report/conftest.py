"""Stored runs and their page; a headless browser."""

import shutil

import pytest

from prunescope.report import write_report
from stored_runs import write_run

# The names of classes come from data files: these would run if the page let them.
HOSTILE = ("<img src=x onerror=document.title='hacked'>", "</script><script>document.title='hacked'</script>")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def seeds(tmp_path_factory):
    """Two seeds of one experiment."""
    out = tmp_path_factory.mktemp("stored")
    return [write_run(out, seed=seed, classes=HOSTILE) for seed in range(2)]


@pytest.fixture(scope="session")
def page_file(seeds, tmp_path_factory):
    """The page of both seeds."""
    return write_report(seeds, tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium. A machine without it cannot test the page: that is a failure, not a skip."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.fail(
            "Chromium is not installed: the page cannot be tested (Debian, Ubuntu: apt-get install chromium)"
        )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Open a page file at a window size; afterwards it must have logged no error and asked for nothing."""
    complaints, requests, contexts = [], [], []

    def opened(file, width=1280, height=900, ready="button.node"):
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector(ready)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
