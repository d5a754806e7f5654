"""Each state, in both colour schemes, on a phone and on a desk: nothing that axe finds, and a picture of it."""

from axe_playwright_python.sync_playwright import Axe
from service import SHARED
from watch import CLASSIFY, DESKTOP, PHONE, answered, choose, choose_folder, opened, refuse, sample

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SCHEMES, SIZES = ("light", "dark"), {"phone": PHONE, "desktop": DESKTOP}


def classified(page):
    sample(page, "mug")
    page.locator(".cell").nth(24).click()
    page.locator("#against").select_option(index=1)
    for title in ("Which branches", "All squares"):
        page.locator("summary", has_text=title).click()
    page.locator(".why table").first.wait_for()


def covered(page):
    sample(page, "ball")
    page.locator("#by").select_option("occlusion")
    page.locator(".cell").nth(63).wait_for()


def unsure(page):
    choose(page, SHARED / "photos/n01740131_night_snake.JPEG")
    answered(page)


def painted(page):
    sample(page, "mug")
    page.get_by_role("button", name="Paint over").click()
    page.locator("canvas.paint").wait_for()


def several(page):
    choose(page, *sorted((SHARED / "photos").iterdir())[:4])
    page.locator(".thumb.done").nth(3).wait_for()


def failed(page):
    choose(page, {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xffnothing"})
    page.locator(".status.failed").wait_for()


def full(page):
    page.route(CLASSIFY, lambda route: refuse(route, "60"))
    page.locator(".sample").first.click()
    page.locator(".held").first.wait_for()


def gone(page):
    page.route(CLASSIFY, lambda route: route.abort())
    page.route("**/readyz", lambda route: route.abort())
    page.locator(".sample").first.click()
    page.locator("#banner:visible").wait_for()


def walked(page):
    sample(page, "balloon")
    page.locator('a[href="#/inside"]').click()
    page.locator(".sprite .tile").nth(2).click()
    page.locator(".over canvas").wait_for()


def filled(page):
    page.locator('a[href="#/folder"]').click()
    choose_folder(page, sorted((SHARED / "photos").iterdir())[:5])
    page.locator(".files tr.done").nth(4).wait_for()


def tab(name, seen):
    def open_tab(page):
        page.locator(f'a[href="#/{name}"]').click()
        page.locator(seen).first.wait_for()

    return open_tab


def dragging(page):
    page.evaluate("""() => {
        const transfer = new DataTransfer();
        transfer.items.add(new File(["x"], "a.png", { type: "image/png" }));
        const event = new DragEvent("dragenter", { bubbles: true, dataTransfer: transfer });
        document.querySelector("main").dispatchEvent(event);
    }""")


def camera(page):
    page.get_by_role("button", name="Camera").click()
    page.locator("dialog .seen", has_text="%").wait_for()


def korean(page):
    sample(page, "umbrella")
    page.locator("#language").click()


STATES = {
    "empty": lambda page: None, "classified": classified,
    "covered": covered, "unsure": unsure, "painted": painted, "several": several,
    "failed": failed, "full": full, "gone": gone, "dragging": dragging, "camera": camera, "korean": korean,
    "inside": walked, "inside-empty": tab("inside", "#tab-inside .sample"), "network": tab("network", "#module"),
    "folder": filled, "folder-empty": tab("folder", ".lead"), "live": tab("live", ".tiles-live"),
}  # fmt: skip


def test_axe_in_each_state(tried):
    wrong, seen = [], 0
    for name, enter in STATES.items():
        for scheme in SCHEMES:
            for size_name, size in SIZES.items():
                options = {"permissions": ["camera"], "expects_errors": True, "reduced_motion": "reduce"}
                with opened(tried.browser, tried.url, size, scheme, **options) as page:
                    enter(page)
                    page.wait_for_timeout(150)
                    place = f"{name}-{scheme}-{size_name}"
                    page.screenshot(path=tried.folder / f"{place}.png")
                    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}})
                    seen += 1
                    assert len(found.response["passes"]) > 10, "axe looked at nothing"
                    for rule in found.response["violations"]:
                        nodes = [(node["target"], node.get("failureSummary")) for node in rule["nodes"][:3]]
                        wrong.append(f"{place}: {rule['id']}: {nodes}")
    assert not wrong, "\n".join(wrong)
    return f"{seen} views"


def test_forced_colours(tried):
    with opened(tried.browser, tried.url, forced_colors="active") as page:
        classified(page)
        page.screenshot(path=tried.folder / "forced-colours.png", full_page=True)
        # What evidence shows stays in its own colours.
        assert page.locator(".grid").evaluate("(grid) => getComputedStyle(grid).forcedColorAdjust") == "none"


def test_reduced_motion(tried):
    moving = "(bar) => getComputedStyle(bar).transitionDuration"
    for motion, expected in [("reduce", "0s"), ("no-preference", "0.25s")]:
        with opened(tried.browser, tried.url, reduced_motion=motion) as page:
            sample(page, "daisy")
            assert page.locator(".classes .part").first.evaluate(moving) == expected, motion


def test_targets_are_large_enough(tried):
    """At least 24 pixels each way, and on touch 44 high for what is no square or map."""
    with opened(tried.browser, tried.url, PHONE, is_mobile=True) as page:
        classified(page)
        small = page.evaluate("""() => [...document.querySelectorAll("button, a, select, summary, label.button")]
            .filter((element) => element.checkVisibility() && !element.matches(".skip, .tile"))
            .map((element) => [element.textContent.trim(), element.getBoundingClientRect()])
            .filter(([, box]) => box.width && (box.width < 24 || box.height < 24)).map(([text]) => text)""")
        assert not small, small


def test_english_names_are_marked(tried):
    """So that a screen reader does not read them as Korean."""
    with opened(tried.browser, tried.url, locale="ko-KR") as page:
        sample(page, "daisy")
        assert page.locator(".classes .name [lang=en]").count() == 5
        steps = page.locator(".path li > span:first-child").all()
        assert [(step.inner_text(), step.get_attribute("lang")) for step in steps] == [("daisy", "en"), ("꽃", None)]


def test_focus_is_not_lost(tried):
    """Where what had the focus is gone, Tab goes on from the content and not from the head."""
    with opened(tried.browser, tried.url) as page:
        sample(page, "daisy")
        assert page.evaluate("document.activeElement.id") == "main"
        page.get_by_role("button", name="Start over").press("Enter")
        page.locator(".frame-empty").wait_for()
        assert page.evaluate("document.activeElement.id") == "main"


def test_said_once(tried):
    """A screen reader hears the answer once."""
    with opened(tried.browser, tried.url) as page:
        page.evaluate("""() => {
            window.said = [];
            new MutationObserver(() => window.said.push(document.getElementById("announcer").textContent))
                .observe(document.getElementById("announcer"), { childList: true, characterData: true, subtree: true });
        }""")
        sample(page, "ball")
        page.get_by_role("button", name="Smooth").click()
        said = page.evaluate("window.said")
        assert len(said) == 1 and said[0].startswith("soccer ball, 99."), said
