"""A browser page under watch: what it says on its console, what its policy forbids, which hosts it asks."""

import re
from contextlib import contextmanager
from urllib.parse import urlsplit

WAIT_MS = 20_000
PHONE, DESKTOP = (360, 740), (1280, 900)
# Not the page's own file of that name.
CLASSIFY = re.compile(r"/classify(\?|$)")
FORBIDDEN = """
    window.forbidden = [];
    document.addEventListener("securitypolicyviolation", (event) =>
        window.forbidden.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
    window.longTasks = [];
    new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((entry) => entry.duration)))
        .observe({ type: "longtask", buffered: true });
"""
# What the browser itself writes for an answer that is an error, which some journeys want.
OF_THE_BROWSER = "Failed to load resource"


def refuse(route, retry_after):
    """Answers as a service whose queue is full, and that may be asked again after so many seconds."""
    error = {"error": "the queue is full: later", "code": "queue_full", "request_id": "r-1"}
    route.fulfill(status=429, headers={"Retry-After": retry_after}, json=error)


@contextmanager
def opened(browser, url, size=DESKTOP, scheme="light", expects_errors=False, route=None, **options):
    """Opens the page; at the end nothing may have gone wrong in it."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        has_touch=size == PHONE,
        locale=options.pop("locale", "en-GB"),
        **options,
    )
    context.set_default_timeout(WAIT_MS)
    context.add_init_script(FORBIDDEN)
    page = context.new_page()
    wrong, host = [], urlsplit(url).netloc

    def said(message):
        is_wanted = expects_errors and OF_THE_BROWSER in message.text
        if message.type in ("error", "warning") and not is_wanted:
            wrong.append(f"{message.type}: {message.text}")

    def asked(request):
        if urlsplit(request.url).scheme in ("http", "https") and urlsplit(request.url).netloc != host:
            wrong.append(f"another host: {request.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", asked)
    if route:
        route(page)
    page.goto(url)
    page.locator("html[data-state=there]").wait_for()
    yield page
    wrong.extend(page.evaluate("window.forbidden"))
    context.close()
    assert not wrong, wrong


def choose(page, *files):
    """Gives the page photos as its button does."""
    page.locator("#files").set_input_files(list(files))


def choose_folder(page, files):
    """The same for a folder; its field takes files one by one when it is told to."""
    page.locator("#folder-files").evaluate("(input) => input.removeAttribute('webkitdirectory')")
    page.locator("#folder-files").set_input_files(files)


def answered(page):
    page.locator(".headline").wait_for()
    page.locator(".answer-side:not([aria-busy])").wait_for()


def sample(page, name):
    page.locator(f'.sample img[src$="sample-{name}.jpg"]').click()
    answered(page)
