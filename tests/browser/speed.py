"""How fast the page is: first paint, a folder of photos, from a photo to its bars. Times are never asserted."""

import shutil
import time
from statistics import median

from service import SHARED
from watch import CLASSIFY, answered, choose, opened

LOADS, CHOSEN, FOLDER, LOOKED_AT = 15, 30, 500, (100, 300, 500)
FIRST_PAINT = """() => new Promise((resolve) => new PerformanceObserver((list) => {
    const entry = list.getEntriesByName("first-contentful-paint")[0];
    if (entry) resolve(entry.startTime);
}).observe({ type: "paint", buffered: true }))"""
# From the choice of a file to the frame that has its bars.
WATCH_BARS = """() => {
    let started = 0;
    document.addEventListener("change", () => { started = performance.now(); }, { capture: true, once: true });
    performance.clearResourceTimings();
    window.bars = new Promise((resolve) => new MutationObserver((_, observer) => {
        if (!document.querySelector(".classes .part")) return;
        observer.disconnect();
        requestAnimationFrame(() => {
            const painted = new MessageChannel();
            painted.port1.onmessage = () => resolve(performance.now() - started);
            painted.port2.postMessage(null);
        });
    }).observe(document.body, { childList: true, subtree: true }));
}"""
SERVED = """() => performance.getEntriesByType("resource").filter(({ name }) => /classify\\?/.test(name)).at(-1)
    .serverTiming.reduce((sum, { duration }) => sum + duration, 0)"""
DONE = "() => document.querySelectorAll('.files tr.done').length"


def spread(values):
    return f"median {median(values):.0f}, most {max(values):.0f} ms"


def measure_first_paint(tried):
    """Each load in a context of its own, so nothing is cached."""
    times = []
    for _ in range(LOADS):
        with opened(tried.browser, tried.url) as page:
            times.append(page.evaluate(FIRST_PAINT))
    return f"{LOADS} loads without a cache: {spread(times)}"


def measure_photo_to_bars(tried):
    photos = sorted((SHARED / "photos").iterdir())[:CHOSEN]
    beyond, tasks = [], []
    with opened(tried.browser, tried.url) as page:
        for photo in photos:
            page.evaluate(WATCH_BARS)
            choose(page, photo)
            beyond.append(page.evaluate("window.bars") - page.evaluate(SERVED))
            answered(page)
            page.get_by_role("button", name="Start over").click()
        tasks = page.evaluate("window.longTasks")
    late = f"first {beyond[0]:.0f} ms, {sum(time > 50 for time in beyond)} over 50 ms"
    found = f"{len(beyond)} photos, beyond the time of the service: {spread(beyond)}, {late}"
    return f"{found}; tasks over 50 ms: {rounded(tasks)}"


def rounded(tasks):
    return [round(task) for task in tasks]


def many_photos(folder):
    """Photos that differ in a comment of the file."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = sorted([*(SHARED / "photos").iterdir(), *(SHARED / "calibration").rglob("*.JPEG")])
    for n in range(FOLDER):
        data = found[n % len(found)].read_bytes()
        text = f"copy {n}".encode()
        comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
        (folder / f"{n:03}-{found[n % len(found)].name}").write_bytes(data[:2] + comment + data[2:])
    return folder


def wait_for_done(page, n):
    # What Playwright waits for by itself is evaluated as text, which the page's policy forbids.
    while page.evaluate(DONE) < n:
        page.wait_for_timeout(100)


def kept(page, devtools):
    """What is left after garbage is collected, while the folder rests."""
    devtools.send("HeapProfiler.collectGarbage")
    metrics = {row["name"]: row["value"] for row in devtools.send("Performance.getMetrics")["metrics"]}
    elements = page.evaluate("document.querySelectorAll('*').length")
    return f"{metrics['JSHeapUsedSize'] / 2**20:.1f} MiB, {elements} elements, {metrics['Nodes']:.0f} nodes"


def task_of_browser(tried, folder):
    """What the browser takes to make the files of a folder, on a page that does nothing with them."""
    with opened(tried.browser, tried.url) as page:
        page.evaluate("""() => {
            const input = document.createElement("input");
            Object.assign(input, { type: "file", id: "bare", webkitdirectory: true });
            input.addEventListener("change", () => {});
            document.body.append(input);
            window.longTasks.length = 0;
        }""")
        page.locator("#bare").set_input_files(folder)
        page.wait_for_timeout(500)
        return page.evaluate("window.longTasks")


def measure_folder(tried):
    folder = many_photos(tried.folder / "many-photos")
    alone = rounded(task_of_browser(tried, folder))
    with opened(tried.browser, tried.url + "#/folder") as page:
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")
        sent = []
        page.on("request", lambda request: sent.append(1) if CLASSIFY.search(request.url) else None)
        said, tasks, worked = [f"0: {kept(page, devtools)}"], [], 0.0
        page.evaluate("window.longTasks.length = 0")
        started = time.monotonic()
        page.locator("#folder-files").set_input_files(folder)
        for n in LOOKED_AT:
            wait_for_done(page, n)
            if n < FOLDER:
                page.get_by_role("button", name="Pause").click()
                page.locator(".files tbody:not(:has(tr.running))").wait_for()
            worked += time.monotonic() - started
            tasks += page.evaluate("window.longTasks.splice(0)")
            said.append(f"{n}: {kept(page, devtools)}")
            page.evaluate("window.longTasks.length = 0")
            started = time.monotonic()
            if n < FOLDER:
                page.get_by_role("button", name="Continue").click()
        page.wait_for_timeout(500)
        assert len(sent) == FOLDER, f"{len(sent)} requests for {FOLDER} photos"
        assert page.locator(".files tbody tr").count() == FOLDER
        page.locator(".files").screenshot(path=tried.folder / "many-photos.png")
    shutil.rmtree(folder)
    heap = "\n    ".join(said)
    tasks = f"tasks over 50 ms: {rounded(tasks)}, of which the browser's own for so many files: {alone}"
    return f"{FOLDER} photos in {worked:.1f} s, each sent once; {tasks}\n    {heap}"


MEASURES = (measure_first_paint, measure_photo_to_bars, measure_folder)
