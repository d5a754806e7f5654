"""Clicks "Try it out" on /docs as a person would, in Chromium, and looks at the page at two widths.

Usage: swagger.py HOST:PORT SHARED FOLDER, where SHARED holds photos/ and the screenshots go into FOLDER.

Nothing is filled in but a file, where there is one. CHROMIUM names the browser.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PHOTO = "n02484975_guenon.JPEG"
PHOTO_CLASS = 370
# What the example in the document shows.
EXAMPLE_CLASS = 920
WAIT_MS = 30_000
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


def browser_path():
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    found = [path for path in map(shutil.which, filter(None, names)) if path]
    assert found, "there is no Chromium: apt-get install chromium, or name one in CHROMIUM"
    return found[0]


def executed(page, path, media_type, photo=None):
    """Executes an operation as it stands; returns the status and the answer that the page shows."""
    block = page.locator(".opblock-post", has=page.locator(f'[data-path="{path}"]'))
    block.locator(".opblock-summary-control").click()
    block.locator(".try-out__btn").click()
    body = block.locator(".opblock-section-request-body")
    body.locator("select.content-type").select_option(media_type)
    if photo:
        body.locator('input[type="file"]').set_input_files(photo)
    block.locator(".execute").click()
    live = block.locator(".live-responses-table")
    live.wait_for(timeout=WAIT_MS)
    status = live.locator(".response-col_status").last.inner_text().split()[0]
    answer = live.locator(".response-col_description pre").first.inner_text()
    return status, answer


def try_it_out(page, address, path, media_type, best, photo=None):
    page.goto(f"http://{address}/docs/", timeout=WAIT_MS)
    status, answer = executed(page, path, media_type, photo)
    assert status == "200", f"{path} as {media_type}: {status} {answer[:500]}"
    found = best(json.loads(answer))
    expected = PHOTO_CLASS if photo else EXAMPLE_CLASS
    assert found == expected, f"{path} as {media_type}: class {found}, not {expected}"
    print(f"swagger: {path} as {media_type}: 200, class {found}")


def all_forms(page, address, photo):
    def classified(answer):
        return answer["predictions"][0]["class"]

    def inferred(answer):
        return int(answer["outputs"][0]["data"][0].split(":")[1])

    for media_type in ["image/*", "application/octet-stream", "multipart/form-data"]:
        try_it_out(page, address, "/classify", media_type, classified, photo)
    try_it_out(page, address, "/classify", "application/json", classified)
    for path in ["/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer"]:
        try_it_out(page, address, path, "application/json", inferred)


def the_page(browser, address, folder):
    """At both widths: its head, nothing from elsewhere, nothing wider than the window."""
    for name, (width, height) in WIDTHS.items():
        page = browser.new_page(viewport={"width": width, "height": height})
        urls, broken = [], []
        page.on("request", lambda request, urls=urls: urls.append(request.url))
        page.on("pageerror", lambda error, broken=broken: broken.append(str(error)))
        page.goto(f"http://{address}/docs", timeout=WAIT_MS)
        page.locator(".opblock").first.wait_for(timeout=WAIT_MS)
        assert "googlenet" in page.title().lower(), page.title()
        viewport = page.locator('meta[name="viewport"]').get_attribute("content")
        assert "width=device-width" in viewport, viewport
        here = (f"http://{address}/", "data:")
        assert not broken and all(url.startswith(here) for url in urls), (broken, urls)
        assert not page.locator('.info a[href*="spdx.org"]').count(), "a link to no page"
        page.screenshot(path=folder / f"docs-{name}.png", full_page=True)
        page.locator('.opblock-post [data-path="/classify"]').click()
        page.locator(".try-out__btn").first.click()
        page.locator(".execute").wait_for()
        page.screenshot(path=folder / f"docs-{name}-classify.png")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{wide} pixels wide in a window of {width}"
        page.close()


def main():
    address, shared, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    with sync_playwright() as playwright:
        # Root has no sandbox in a container.
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        all_forms(page, address, shared / "photos" / PHOTO)
        the_page(browser, address, folder)
        browser.close()


main()
