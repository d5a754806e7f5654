"""The page's code by itself: sizes, words, and the modules that only compute."""

import gzip
import re
import shlex
import urllib.request
from pathlib import Path

from watch import opened

UI = Path(__file__).parents[2] / "ui"
CODE = {".html", ".css", ".js"}
MOST_CODE, MOST = 60_000, 200_000


def test_sizes(tried):
    """As the service sends them."""
    code = everything = 0
    for file in sorted(UI.iterdir()):
        path = "" if file.name == "index.html" else f"assets/{file.name}"
        accept = "text/html" if file.suffix == ".html" else "*/*"
        headers = {"Accept": accept, "Accept-Encoding": "gzip"}
        with urllib.request.urlopen(urllib.request.Request(tried.url + path, headers=headers)) as answer:
            sent = answer.read()
            packed = answer.headers["Content-Encoding"] == "gzip"
        assert (gzip.decompress(sent) if packed else sent) == file.read_bytes(), f"another {file.name} is served"
        everything += len(sent)
        code += len(sent) if file.suffix in CODE else 0
    assert code <= MOST_CODE and everything <= MOST, (code, everything)
    return f"code {code} bytes, everything {everything}"


def test_source(_):
    """Nothing parses HTML, runs text as code, or sets a style attribute."""
    for file in UI.glob("*.js"):
        text = file.read_text()
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "style=",
        ):
            assert word not in text, f"{word} in {file.name}"
        assert text.startswith("// "), f"{file.name} does not say what it is"
        assert len(text.splitlines()) <= 400, f"{file.name} is long"


def in_page(tried, script):
    with opened(tried.browser, tried.url) as page:
        return page.evaluate(script)


def test_words(tried):
    """Each key has a text in both languages, with the same places for values."""
    wrong = in_page(
        tried,
        """async () => {
        const { default: words } = await import("./assets/words.js");
        const places = (text) => [...text.matchAll(/\\{(\\w+)\\}/g)].map((found) => found[1]).sort().join();
        return Object.entries(words).filter(([, [en, ko, ...more]]) =>
            !en || !ko || more.length || places(en) !== places(ko));
    }""",
    )
    assert not wrong, wrong
    # A key that nothing shows, or that is shown and not there.
    code = "".join(
        file.read_text() for file in UI.iterdir() if file.suffix in (".js", ".html") and file.name != "words.js"
    )
    keys = in_page(tried, "async () => Object.keys((await import('./assets/words.js')).default)")
    dynamic = (
        "tab.",
        "theme.",
        "state.short.",
        "sample.",
        "time.",
        "overlay.",
        "brush.size.",
        "caution.",
        "banner.",
        "evidence.for",
        "evidence.against",
        "evidence.by",
        "inside.",
        "kind.",
        "folder.csv",
        "folder.json",
    )
    unused = [
        key
        for key in keys
        if f'"{key.removesuffix(".one").removesuffix(".other")}"' not in code and not key.startswith(dynamic)
    ]
    assert not unused, unused


def test_metrics(tried):
    found = in_page(
        tried,
        r"""async () => {
        const { growth, histogram, parse, quantile, sum } = await import("./assets/metrics.js");
        const text = (n) => `# HELP a b\n# TYPE a counter\na{code="200",path="x\\"y,z"} ${n}\na{code="429"} 3\n` +
            `t_bucket{le="0.01"} ${n}\nt_bucket{le="0.1"} ${3 * n}\nt_bucket{le="+Inf"} ${4 * n}\nt_sum ${n}\n` +
            `t_count ${4 * n}\nbroken{ 1\n`;
        const [before, after] = [parse(text(10)), parse(text(30))];
        const counted = histogram(before, after, "t");
        return {
            label: after.get("a")[0].labels.path, sum: sum(after, "a"), grown: [...growth(before, after, "a", "code")],
            restarted: [...growth(parse(text(50)), after, "a", "code")], counts: counted.counts, count: counted.count,
            median: quantile(counted, 0.5), last: quantile(counted, 0.99),
            none: quantile(histogram(after, after, "t"), 0.5),
        };
    }""",
    )
    assert found["label"] == 'x"y,z' and found["sum"] == 33, found
    assert found["grown"] == [["200", 20], ["429", 0]] and found["restarted"] == [["200", 30], ["429", 0]], found
    assert found["counts"] == [20, 40, 20] and found["count"] == 80 and found["none"] is None, found
    # 20 of 80 are in the first bucket, so the 40th is in the second.
    assert found["median"] == {"low": 0.01, "high": 0.1}, found
    assert found["last"]["low"] == 0.1, found


def test_tables(tried):
    text = in_page(
        tried,
        """async () => (await import("./assets/csv.js")).csv(["file", "p"],
        [['a "b",c.jpg', 0.5], ["=cmd|' /C calc'!A0", -1], ["two\\nlines", null]])""",
    )
    assert text == 'file,p\r\n"a ""b"",c.jpg",0.5\r\n\'=cmd|\' /C calc\'!A0,-1\r\n"two\nlines",\r\n', repr(text)


def test_curl(tried):
    """A name is whatever a stranger's file is called: the command still has one file and one address."""
    for name in ["it's.jpg", "-rf", "$(reboot).png", "a b;c.jpg", "<img onerror=x>", "a\x1b[201~\nreboot\n.png"]:
        command = in_page(
            tried, f"async () => (await import('./assets/answer.js')).curl({name!r}, 'http://h/classify?top_k=5')"
        )
        words = shlex.split(command)
        # A terminal would act on control characters that are pasted into it.
        name = re.sub(r"[\x00-\x1f]", "?", name)
        assert (
            command.isprintable()
            and words[0] == "curl"
            and words[2].endswith(name)
            and words[-1] == "http://h/classify?top_k=5"
        ), command
        assert len(words) == 6, command
