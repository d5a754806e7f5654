"""Runs all that is tried with the page; `main.py FOLDER [NAME…]` only what has a name in its own."""

import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import accessibility
import code_checks
import journeys
import listeners
import speed
import trouble
from playwright.sync_api import Browser, sync_playwright
from service import Service, browser_path
from watch import answered, opened

# Root has no sandbox in a container; the camera is a test pattern.
ARGUMENTS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@dataclass
class Tried:
    """What every test gets."""

    browser: Browser
    url: str
    folder: Path


def readme_picture(tried, path):
    with opened(tried.browser, tried.url + "#/classify?sample=umbrella", (1200, 760)) as page:
        answered(page)
        page.locator(".cell").nth(24).click()
        page.locator(".readout .quiet").wait_for()
        page.mouse.move(0, 0)
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(600)
        page.screenshot(path=path)
    print(f"browser: {path}, {Path(path).stat().st_size} bytes")


def main():
    folder, arguments = Path(sys.argv[1]), sys.argv[2:]
    tests = [
        (f"{module.__name__}.{name}", test)
        for module in (code_checks, journeys, trouble, listeners, accessibility)
        for name, test in vars(module).items()
        if callable(test) and getattr(test, "__module__", "") == module.__name__ and name.startswith("test_")
    ]
    if arguments and arguments[0] not in ("--picture", "--speed"):
        tests = [(name, test) for name, test in tests if any(word in name for word in arguments)]
    failed = []
    with sync_playwright() as playwright, Service(folder / "service.log") as service:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=ARGUMENTS)
        tried = Tried(browser, f"http://{service.address}/", folder)
        if arguments and arguments[0] == "--picture":
            return readme_picture(tried, arguments[1])
        if arguments and arguments[0] == "--speed":
            for measure in speed.MEASURES:
                print(f"browser: {measure.__name__}: {measure(tried)}", flush=True)
            return None
        for name, test in tests:
            started = time.monotonic()
            try:
                said = test(tried) or ""
                print(f"browser: {name}: {time.monotonic() - started:.1f} s {said}", flush=True)
            except Exception:
                traceback.print_exc()
                failed.append(name)
                for context in browser.contexts:
                    for page in context.pages:
                        page.screenshot(path=folder / f"failed-{name}.png", full_page=True)
                    context.close()
        browser.close()
    if failed or not tests:
        sys.exit(f"browser: failed: {', '.join(failed) or 'there is no such test'}")
    print(f"browser: {len(tests)} passed; the screenshots are in {folder}")


main()
