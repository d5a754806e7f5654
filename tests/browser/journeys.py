"""What people do with the page."""

import json
import re
import urllib.request

from service import SHARED
from watch import DESKTOP, PHONE, answered, choose, choose_folder, opened, sample

GUENON = SHARED / "photos/n02484975_guenon.JPEG"
SAMPLES = {"daisy": "daisy", "balloon": "balloon", "mug": "coffee mug", "ball": "soccer ball", "light": "traffic light",
           "umbrella": "umbrella"}  # fmt: skip


def percent(p):
    """As the page writes probabilities in English."""
    if 0 < p < 0.001:
        return "< 0.1\u00a0%"
    tenths = int(p * 1000 + 0.5) / 10
    return f"{99.9 if p < 1 and tenths >= 100 else tenths:.1f}\u00a0%"


def number(text):
    """As the page writes numbers in English."""
    return float(re.search(r"[+\u2212-]?\d[\d,]*(\.\d+)?", text)[0].replace("\u2212", "-").replace(",", ""))


def is_near(shown, value, digits=2):
    """A number on the page is a value of the interface, rounded to so many digits; one more for the last bits."""
    return abs(shown - value) <= 0.51 * 10**-digits + 1e-4 * abs(value)


def ask(url, path, body):
    request = urllib.request.Request(url + path, body, {"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def classify(url, body, query="top_k=10&groups=true"):
    return ask(url, f"classify?{query}", body)


def sample_bytes(url, name):
    return urllib.request.urlopen(f"{url}assets/sample-{name}.jpg").read()


def shown(page):
    rows = page.locator(".classes tbody tr").all()
    return [(row.locator(".name").inner_text(), row.locator("td").first.inner_text()) for row in rows]


def test_numbers_are_those_of_the_interface(tried):
    answer = classify(tried.url, GUENON.read_bytes())
    with opened(tried.browser, tried.url) as page:
        choose(page, GUENON)
        answered(page)
        page.get_by_role("button", name="Show 10 classes").click()
        expected = [(row["label"], percent(row["probability"])) for row in answer["predictions"]]
        assert shown(page) == expected, (shown(page), expected)
        sure = answer["sure"]
        head = page.locator(".headline h2").inner_text()
        assert sure["label"] in head and percent(sure["probability"]) in head, head
        labels = {answer["predictions"][0]["label"], *(group["label"] for group in answer["groups"])}
        steps = page.locator(".path li").all_inner_texts()
        assert len(steps) > 2 and all(re.sub(r"\s*[\d.]+\s%$", "", step) in labels for step in steps), steps


def test_samples(tried):
    """Each is what it shows, with at least 0.8."""
    for name, label in SAMPLES.items():
        best = classify(tried.url, sample_bytes(tried.url, name))["predictions"][0]
        assert best["label"] == label and best["probability"] >= 0.8, (name, best)
    with opened(tried.browser, tried.url) as page:
        assert page.locator(".sample").count() == len(SAMPLES)


CELLS = "() => [...document.querySelectorAll('.cell')].map((cell) => cell.getAttribute('aria-label').split(': ')[1])"


def cells(page):
    return [number(text) for text in page.evaluate(CELLS)]


def has_grid(page, grid):
    values, expected = cells(page), [value for row in grid for value in row]
    return len(values) == len(expected) and all(map(is_near, values, expected))


def assert_sum(page, label, cam):
    """The sum under the classes is that of the interface: score, squares, bias."""
    text = page.locator(".sum").inner_text()
    found = re.search(rf"{label}: (\S+) = squares (\S+) \+ bias (\S+)", text)
    assert found, (label, text)
    logit, squares, bias = map(number, found.groups())
    total = sum(map(sum, cam["grid"]))
    assert is_near(logit, cam["logit"]) and is_near(squares, total) and is_near(bias, cam["bias"]), (text, cam)
    assert abs(logit - squares - bias) < 0.02, text


def assert_rows(page, caption, expected):
    """A table of signed bars has these names and values."""
    rows = page.locator(".why table", has_text=caption).locator("tbody tr").all()
    found = [(row.locator(".name").inner_text(), number(row.locator("td").inner_text())) for row in rows]
    assert [name for name, _ in found] == [name for name, _ in expected], (found, expected)
    assert all(is_near(value, real) for (_, value), (_, real) in zip(found, expected, strict=True)), (found, expected)


def test_evidence_is_that_of_the_interface(tried):
    """Squares, bias and score on the page; of two classes, the differences; what a square says; branches, channels."""
    body = sample_bytes(tried.url, "mug")
    first, second = classify(tried.url, body, "top_k=2&explain=cam")["predictions"]
    of_one = ask(tried.url, "explain?squares=3", body)
    of_two = ask(tried.url, f"explain?class={first['class']}&against={second['class']}", body)
    with opened(tried.browser, tried.url) as page:
        sample(page, "mug")
        assert has_grid(page, first["cam"]["grid"]), (cells(page), first["cam"])
        assert_sum(page, first["label"], first["cam"])
        page.locator(".cell").nth(24).click()
        page.locator(".readout .quiet").wait_for()
        said = page.locator(".readout").inner_text()
        for row in of_one["squares"][24]:
            value = re.search(re.escape(row["label"]) + r" ([+\u2212][\d.]+)", said.split("Speaks most for")[1])
            assert value and is_near(number(value[1]), row["value"], 1), (row, said)
        for seen in (of_one, of_two):
            if seen is of_two:
                page.locator("#against").select_option(str(second["class"]))
                assert has_grid(page, of_two["grid"]), (cells(page), of_two["grid"])
                is_ahead = of_two["logit"] >= 0
                words = "leads .* by" if is_ahead else "is"
                text = page.locator(".sum").inner_text()
                assert re.search(words, text) and is_near(number(text.split(" by ")[1]), of_two["logit"]), (
                    text,
                    of_two,
                )
            else:
                page.locator("summary", has_text="Which branches").click()
            page.locator(".why table").first.wait_for()
            assert_rows(page, "Branches of the last module", list(seen["branches"].items()))
            channels = [(f"channel {c['channel']} ({c['branch']})", c["contribution"]) for c in seen["channels"]]
            assert_rows(page, "Channels that spoke most", channels)
        page.get_by_role("button", name="Numbers").click()
        assert page.locator(".cell span").count() == 49
        page.get_by_role("button", name="Smooth").click()
        assert page.locator("canvas.smooth").count() == 1


def test_other_ways_to_evidence(tried):
    """The gradient of a module, and covering parts: the numbers of the interface, in squares of their own."""
    body = sample_bytes(tried.url, "ball")
    with opened(tried.browser, tried.url) as page:
        sample(page, "ball")
        ways = page.locator("#by option").evaluate_all("(options) => options.map((option) => option.value)")
        assert ways[:2] == ["", "occlusion"] and len(ways) == 2 + 9, ways
        for way, query, words in [
            ("inception_4e", "method=gradient&module=inception_4e", "not to the score"),
            ("inception_3a", "method=gradient&module=inception_3a", "not to the score"),
            ("occlusion", "method=occlusion", "when it is covered"),
        ]:
            grid = ask(tried.url, f"explain?{query}", body)["grid"]
            page.locator("#by").select_option(way)
            page.locator(".cell").nth(sum(map(len, grid)) - 1).wait_for()
            assert has_grid(page, grid), (way, cells(page), grid)
            text = page.locator(".sum").inner_text()
            assert words in text, text
            if way != "occlusion":
                assert is_near(number(text.split("add up to")[1]), sum(map(sum, grid))), text
        page.locator("#by").select_option("")
        assert len(cells(page)) == 49 and "Exact" in page.locator(".sum").inner_text()


def test_keyboard_from_opening_to_evidence(tried):
    """No pointer at all."""
    with opened(tried.browser, tried.url) as page:
        focused = lambda selector: page.evaluate("(s) => document.activeElement?.matches(s)", selector)

        def tab_to(selector, most=40):
            for _ in range(most):
                page.keyboard.press("Tab")
                if focused(selector):
                    box = page.evaluate("() => document.activeElement.getBoundingClientRect().toJSON()")
                    top = page.evaluate("() => document.querySelector('.top').getBoundingClientRect().bottom")
                    assert focused(".top *") or box["bottom"] > top, f"{selector} is behind the head"
                    return
            raise AssertionError(f"no Tab leads to {selector}")

        page.keyboard.press("Tab")
        assert focused(".skip")
        page.keyboard.press("Enter")
        tab_to(".sample")
        page.keyboard.press("Enter")
        answered(page)
        tab_to(".cell")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        assert focused('.cell[data-y="1"][data-x="1"]')
        page.locator(".readout .chip").wait_for()
        assert "Row 2, column 2" in page.locator(".readout").inner_text()
        page.keyboard.press("End")
        assert focused('.cell[data-y="1"][data-x="6"]')
        page.keyboard.press("Control+Home")
        assert focused('.cell[data-y="0"][data-x="0"]')
        tab_to('[data-focus="brush"]')
        page.keyboard.press("Enter")
        page.locator("canvas.paint").wait_for()
        for _ in range(20):
            page.keyboard.press("Shift+Tab")
            if focused(".cell"):
                break
        page.keyboard.press("Enter")
        page.locator(".bars thead:not(.unseen)").first.wait_for()
        assert focused(".cell"), "covering a square loses the place"
        tab_to("#against")
        page.keyboard.press("ArrowDown")
        assert "leads" in page.locator(".sum").inner_text() or "behind" in page.locator(".sum").inner_text()
        tab_to('a[href="#/network"]', 60) if not focused("nav a") else None


def drop_event(page, kind, name, mime, data):
    page.evaluate(
        """([kind, name, mime, data]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([Uint8Array.from(data)], name, { type: mime }));
            const target = document.querySelector("main");
            const common = { bubbles: true, cancelable: true };
            target.dispatchEvent(kind === "paste" ? new ClipboardEvent("paste", { ...common, clipboardData: transfer })
                : new DragEvent(kind, { ...common, dataTransfer: transfer }));
        }""",
        [kind, name, mime, list(data)],
    )


def test_drop(tried):
    photo = GUENON.read_bytes()
    with opened(tried.browser, tried.url) as page:
        drop_event(page, "dragenter", "a.pdf", "application/pdf", b"x")
        assert "application/pdf" in page.locator("#drop").inner_text()
        page.screenshot(path=tried.folder / "dragging.png")
        drop_event(page, "dragleave", "a.pdf", "application/pdf", b"x")
        assert page.locator("#drop").is_hidden()
        drop_event(page, "dragenter", "a.jpg", "image/jpeg", photo)
        assert "Drop the photo" in page.locator("#drop").inner_text()
        drop_event(page, "drop", "a.jpg", "image/jpeg", photo)
        answered(page)
        assert shown(page)[0][0] == "guenon" and page.locator("#drop").is_hidden()
        drop_event(page, "drop", "notes.txt", "text/plain", b"x")
        assert "notes.txt" in page.locator(".refused").inner_text()


def test_paste(tried):
    with opened(tried.browser, tried.url) as page:
        drop_event(page, "paste", "image.png", "image/jpeg", GUENON.read_bytes())
        answered(page)
        assert shown(page)[0][0] == "guenon"
    # The button asks the clipboard itself.
    with opened(tried.browser, tried.url, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.get_by_role("button", name="Paste").click()
        page.locator(".refused").wait_for()
        page.evaluate("""async () => {
            const canvas = document.createElement("canvas");
            const picture = new Image();
            picture.src = "assets/sample-light.jpg";
            await picture.decode();
            Object.assign(canvas, { width: 320, height: 320 });
            canvas.getContext("2d").drawImage(picture, 0, 0);
            const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
            await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }""")
        page.get_by_role("button", name="Paste").click()
        answered(page)
        assert shown(page)[0][0] == "traffic light"


def test_camera(tried):
    with opened(tried.browser, tried.url, permissions=["camera"]) as page:
        page.get_by_role("button", name="Camera").click()
        page.locator("dialog .seen", has_text="%").wait_for()
        page.screenshot(path=tried.folder / "camera.png")
        page.get_by_role("button", name="Take this picture").click()
        answered(page)
        assert page.locator("dialog").count() == 0
        page.get_by_role("button", name="Camera").click()
        page.keyboard.press("Escape")
        page.locator("dialog").wait_for(state="detached")


def test_several_photos(tried):
    photos = sorted((SHARED / "photos").iterdir())[:5]
    with opened(tried.browser, tried.url) as page:
        choose(page, *photos)
        page.locator(".thumb.done").nth(len(photos) - 1).wait_for()
        best = classify(tried.url, photos[3].read_bytes())["predictions"][0]
        page.locator(".thumb").nth(3).click()
        assert shown(page)[0] == (best["label"], percent(best["probability"]))
        page.screenshot(path=tried.folder / "several.png", full_page=True)
        page.get_by_role("button", name="Remove all photos").click()
        page.locator(".frame-empty").wait_for()


def test_brush(tried):
    with opened(tried.browser, tried.url) as page:
        sample(page, "ball")
        before = shown(page)[0]
        page.get_by_role("button", name="Off").click()
        page.get_by_role("button", name="Paint over").click()
        page.get_by_role("button", name="Large").click()
        box = page.locator("canvas.paint").bounding_box()
        for part in (0.3, 0.5, 0.7):
            page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * part)
            page.mouse.down()
            page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * part, steps=5)
            page.mouse.up()
        page.locator(".bars thead:not(.unseen)").first.wait_for()
        answered(page)
        assert shown(page)[0] != before
        page.screenshot(path=tried.folder / "brush.png", full_page=True)
        page.get_by_role("button", name="Remove paint").click()
        page.locator(".classes thead.unseen").wait_for(state="attached")
        answered(page)
        assert shown(page)[0] == before


def copied(page, name):
    """What the button puts into the clipboard."""
    # The button's own word goes after a second.
    page.evaluate("() => { document.getElementById('announcer').textContent = ''; }")
    page.get_by_role("button", name=name).click()
    page.locator("#announcer", has_text="Copied").wait_for(state="attached")
    return page.evaluate("navigator.clipboard.readText()")


def test_link_opens_the_same_view(tried):
    with opened(tried.browser, tried.url, permissions=["clipboard-read", "clipboard-write"]) as page:
        sample(page, "light")
        page.locator("#against").select_option(index=2)
        page.get_by_role("button", name="Smooth").click()
        text = page.locator(".sum").inner_text()
        link = copied(page, "Copy link")
    with opened(tried.browser, link) as page:
        answered(page)
        assert page.locator(".sum").inner_text() == text and page.locator("canvas.smooth").count() == 1


def test_copies(tried):
    with opened(tried.browser, tried.url, permissions=["clipboard-read", "clipboard-write"]) as page:
        choose(page, GUENON)
        answered(page)
        copies = {}
        for name in ("Copy as curl", "Copy JSON", "Copy table"):
            copies[name] = copied(page, name)
            page.get_by_role("button", name=name).wait_for()
        assert copies["Copy as curl"].startswith("curl --data-binary '@n02484975_guenon.JPEG'"), copies
        assert json.loads(copies["Copy JSON"])["predictions"][0]["label"] == "guenon"
        assert copies["Copy table"].split("\n")[1].split("\t")[2] == "guenon"


def test_inside(tried):
    """Each module with what the interface says of it, its maps named, one of them over the photo."""
    seen = ask(tried.url, "activations?channels=32&sort=mean", sample_bytes(tried.url, "balloon"))["modules"]
    with opened(tried.browser, tried.url) as page:
        sample(page, "balloon")
        page.locator('a[href="#/inside"]').click()
        page.locator(".sprite .tile").first.wait_for()
        for module in seen:
            step = page.locator(".walk-step", has=page.get_by_role("heading", name=module["name"], exact=True))
            text = step.inner_text()
            assert f"{module['channels']:,} maps of {module['height']} × {module['width']}" in text, text
            assert f"{percent(module['zeros'])} of the values are zero" in text, (module["zeros"], text)
            assert re.search(rf"\b{module['silent']} maps? (is|are) silent", text), (module["silent"], text)
            names = [f"channel {row['channel']}, {row['branch']} branch" for row in module["largest"]]
            found = step.locator(".tile").evaluate_all("(tiles) => tiles.map((tile) => tile.ariaLabel)")
            assert found == names, (module["name"], found, names)
            step.locator(".tile").nth(5).click()
            said = page.locator(".looked-at .small", has_text=names[5]).inner_text()
            mean, largest = re.search(r"mean (\S+), largest (\S+)", said).groups()
            row = module["largest"][5]
            assert names[5] in said and is_near(number(mean), row["mean"]), (said, row)
            assert is_near(number(largest), row["max"], 1), (said, row)
        assert page.locator(".sprite.filters img").evaluate("(image) => image.complete && image.naturalWidth") > 0
        # The times of the modules are then in the other tab.
        page.locator('a[href="#/network"]').click()
        page.locator("#module").wait_for()
        rows = page.locator("section.sheet", has_text="All modules").locator("tbody tr")
        timed = [row for row in rows.all() if row.locator("td").last.inner_text().endswith(" ms")]
        assert len(timed) == len(seen), [row.inner_text() for row in timed]


def test_network(tried):
    summary = json.load(urllib.request.urlopen(f"{tried.url}model/summary"))
    with opened(tried.browser, tried.url + "#/network") as page:
        page.locator("#module").wait_for()
        text = page.locator("#tab-network").inner_text()
        assert f"{summary['parameters']:,}" in text and f"{summary['multiply_adds']:,}" in text
        assert page.locator(".flow button").count() == len(summary["modules"])
        rows = page.locator("section.sheet", has_text="All modules").locator("tbody tr")
        fields = [row.locator("td").last.inner_text() for row in rows.all()]
        expected = [row["receptive_field"] for row in summary["modules"]]
        assert fields == [f"{field:,} px" if field else "" for field in expected], (fields, expected)
        counted = 0
        for module in summary["modules"]:
            rows.get_by_role("button", name=module["name"], exact=True).click()
            text = page.locator("#module").inner_text()
            counted += int(re.search(r"([\d,]+) parameters", text)[1].replace(",", ""))
            assert f"{module['parameters']:,} parameters" in text and f"{module['multiply_adds']:,}" in text, text
            if not module["branches"]:
                continue
            assert f"{module['parameters_without_reduction']:,}" in text
            drawn = page.locator("#module svg").text_content()
            for name in ("o_1", "r_3", "o_3", "r_5", "o_5", "pool"):
                assert f"→ {module['branches'][name]} maps" in drawn, (name, drawn)
        assert counted == summary["parameters"], counted


def test_folder(tried):
    photos = sorted((SHARED / "photos").iterdir())[:6]
    with opened(tried.browser, tried.url + "#/folder", accept_downloads=True) as page:
        sent = []
        page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        choose_folder(page, photos)
        page.locator(".files tr.done").nth(len(photos) - 1).wait_for()
        choose_folder(page, photos[:2])
        page.get_by_text("2 photos were here already").wait_for()
        assert len(sent) == len(photos), sent
        with page.expect_download() as download:
            page.get_by_role("button", name="Download CSV").click()
        rows = download.value.path().read_bytes().decode().split("\r\n")
        assert len(rows) == len(photos) + 2 and rows[0].startswith("file,status,class,id,label,probability"), rows[:2]
        best = classify(tried.url, photos[0].read_bytes())["predictions"][0]
        assert rows[1].split(",")[4:6] == [best["label"], str(best["probability"])], rows[1]
        with page.expect_download() as download:
            page.get_by_role("button", name="Download JSON").click()
        assert len(json.loads(download.value.path().read_text())) == len(photos)
        page.locator('select[data-focus="group"]').select_option("bird")
        assert 0 < page.locator(".files tbody tr:visible").count() < len(photos)
        page.screenshot(path=tried.folder / "folder-bird.png", full_page=True)


def test_folder_in_the_order_of_names(tried):
    photos = sorted((SHARED / "photos").iterdir())[:50]
    with opened(tried.browser, tried.url + "#/folder") as page:
        choose_folder(page, photos[::-1])
        page.locator(".files tbody tr").nth(len(photos) - 1).wait_for()
        assert page.locator(".files th bdi").all_inner_texts() == [photo.name for photo in photos]


MIDDLE = """(text) => {
    const isIt = (button) => button.textContent === text && button.checkVisibility();
    const button = [...document.querySelectorAll("button")].find(isIt);
    const { x, y, width, height } = button.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
}"""


def pressed(page, text):
    """Presses a button slowly while photos are answered, which changes what is around it."""
    page.mouse.move(*page.evaluate(MIDDLE, text))
    page.mouse.down()
    page.wait_for_timeout(300)
    page.mouse.up()


def test_buttons_while_photos_are_answered(tried):
    photos = sorted((SHARED / "photos").iterdir())
    with opened(tried.browser, tried.url + "#/folder") as page:
        choose_folder(page, photos)
        page.locator(".files tr.done").nth(2).wait_for()
        pressed(page, "Pause")
        page.get_by_role("button", name="Continue").wait_for()
        page.locator('#tabs a[href="#/classify"]').click()
        choose(page, *photos[:40])
        page.locator(".thumb.done").nth(2).wait_for()
        pressed(page, "Remove all photos")
        page.locator(".frame-empty").wait_for()


FITS = """(tab) => [document.documentElement, ...document.querySelectorAll(tab + " .scroll")]
    .every((element) => element.scrollWidth <= element.clientWidth)"""


def test_phone(tried):
    """The table of a folder, many photos and long names fit; words in tables stay whole."""
    photo = GUENON.read_bytes()
    names = ["a" * 200 + ".jpg", "\u202egpj.exe\u202c.jpg", *(f"{n}.jpg" for n in range(7))]
    photos = [{"name": name, "mimeType": "image/jpeg", "buffer": photo} for name in names]
    with opened(tried.browser, tried.url + "#/folder", PHONE) as page:
        choose_folder(page, photos)
        page.locator(".files tr.done").nth(len(photos) - 1).wait_for()
        assert page.evaluate(FITS, "#tab-folder")
        assert page.locator(".files tr.done td").nth(1).is_visible()
        page.locator('#tabs a[href="#/classify"]').click()
        choose(page, *photos)
        page.locator(".thumb.done").nth(len(photos) - 1).wait_for()
        assert page.evaluate(FITS, "#tab-classify .evidence")
        page.locator('a[href="#/inside"]').click()
        page.locator(".tile").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        page.locator('a[href="#/network"]').click()
        head = page.locator("section.sheet", has_text="All modules").locator("thead th").first
        assert head.bounding_box()["height"] < 60, "a word is broken"


def test_addresses_of_no_tab(tried):
    for name in ("constructor", "nothing"):
        with opened(tried.browser, f"{tried.url}#/{name}") as page:
            page.locator(".sample").first.wait_for()
            assert page.locator("#tabs [aria-current]").inner_text() == "Classify"
            assert page.title() == "Classify · googlenet"


def test_live(tried):
    with opened(tried.browser, tried.url + "#/live") as page:
        page.locator(".tiles-live").wait_for()
        classify(tried.url, GUENON.read_bytes())
        page.locator(".tile-live", has_text="Mean batch size").locator("td").first.wait_for()
        assert "of 1" in page.locator(".tile-live", has_text="Workers busy").inner_text()


def test_korean(tried):
    with opened(tried.browser, tried.url, locale="ko-KR") as page:
        assert page.locator("html").get_attribute("lang") == "ko"
        assert page.get_by_role("link", name="분류", exact=True).count() == 1
        page.get_by_role("button", name="English").click()
        assert page.locator("html").get_attribute("lang") == "en"
        page.reload()
        page.get_by_role("link", name="Classify", exact=True).wait_for()


def test_no_width_is_too_small(tried):
    """From a phone to 4K, and at 400 % of a desktop: nothing is wider than the window."""
    for size in [PHONE, (320, 256), (768, 1024), DESKTOP, (3840, 2160)]:
        for tab in ("classify?sample=mug", "inside", "network", "folder", "live"):
            with opened(tried.browser, f"{tried.url}#/{tab}", size) as page:
                if "sample" in tab:
                    answered(page)
                    for summary in page.locator("summary").all():
                        summary.click()
                    card = page.locator(".answer-side").bounding_box()
                    for part in page.locator(".answer-side > *, .evidence > *").all():
                        assert part.bounding_box()["width"] <= card["width"], f"{part} is wider than its card"
                page.wait_for_timeout(300)
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= size[0], f"{tab} is {wide} wide in {size}"


def test_speed(tried):
    """From the answer to the bars, and no task that holds the page up."""
    with opened(tried.browser, tried.url) as page:
        sample(page, "daisy")
        page.get_by_role("button", name="Start over").click()
        page.evaluate("""() => {
            window.longTasks.length = 0;
            performance.clearResourceTimings();
            new MutationObserver((_, observer) => {
                if (!document.querySelector(".headline")) return;
                window.shownAt = performance.now();
                observer.disconnect();
            }).observe(document.body, { childList: true, subtree: true });
        }""")
        sample(page, "daisy")
        waited = page.evaluate("""() => window.shownAt - performance.getEntriesByType("resource")
            .filter((entry) => /classify\\?/.test(entry.name)).at(-1).responseEnd""")
        tasks = page.evaluate("window.longTasks")
        return f"bars {waited:.0f} ms after the answer, longest task {max(tasks, default=0):.0f} ms (0: none of 50 ms)"
