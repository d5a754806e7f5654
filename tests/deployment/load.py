"""Real photos over HTTP to 127.0.0.1, bounded in count and time, and what became of each."""

import asyncio
import itertools
import json
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import aiohttp

# Shorter than the balancer's 15 s: a connection that it is about to close is not used again.
KEEP_ALIVE_SECONDS = 8
# More requests than this at once are not sent but counted.
MOST_IN_FLIGHT = 1000
# A steady load has no more at once: a machine that becomes slower gets fewer photos, and is not overloaded.
STEADY_IN_FLIGHT = 16


@dataclass(frozen=True)
class Photo:
    name: str
    data: bytes


@dataclass(frozen=True)
class Outcome:
    started: float
    seconds: float
    # 0: there was no answer.
    status: int
    # The error's code, or what broke.
    code: str
    # An answer of 200 names the class of its own photo, and every answer carries its request's id.
    right: bool

    @property
    def ok(self) -> bool:
        return self.status == 200 and self.right

    def kind(self) -> str:
        if self.ok:
            return "200"
        return f"{self.status} {self.code}" + ("" if self.right else " (not the answer to this request)")


def photos(shared: Path) -> list[Photo]:
    return [Photo(path.name, path.read_bytes()) for path in sorted((shared / "photos").glob("*.JPEG"))]


class Client:
    def __init__(self, port: int, shared: Path):
        self.url = f"http://127.0.0.1:{port}/classify?top_k=1"
        self.photos = photos(shared)
        reference = json.loads((shared / "reference/photos_top5.json").read_text())
        self.best = {name: top[0][0] for name, top in reference.items()}

    async def __aenter__(self):
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=60),
        )
        return self

    async def __aexit__(self, *_):
        await self.session.close()

    async def send(self, photo: Photo) -> Outcome:
        started = time.monotonic()
        request_id = str(uuid.uuid4())
        headers = {"Content-Type": "image/jpeg", "X-Request-Id": request_id}
        try:
            async with self.session.post(self.url, data=photo.data, headers=headers) as response:
                status, body = response.status, await response.read()
                answer = json.loads(body)
                code = answer.get("code", "")
                right = response.headers.get("X-Request-Id") == request_id
                if status == 200:
                    right = right and answer["predictions"][0]["class"] == self.best[photo.name]
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError, LookupError, TypeError) as error:
            status, code, right = 0, f"{type(error).__name__}: {error}", True
        return Outcome(started, time.monotonic() - started, status, code, right)

    async def closed_loop(self, clients: int, seconds: float) -> list[Outcome]:
        """Each client sends its next photo when it has the answer to its last."""
        end = time.monotonic() + seconds
        photos = itertools.cycle(self.photos)
        outcomes = []

        async def one_client():
            while time.monotonic() < end:
                outcomes.append(await self.send(next(photos)))

        await asyncio.gather(*(one_client() for _ in range(clients)))
        return outcomes

    async def steady(self, rate: float, count: int, until: asyncio.Event) -> list[Outcome]:
        """Sends at most `rate` photos a second, few at once: `count` of them, and on until the event."""
        tasks, in_flight, due = [], set(), time.monotonic()
        for number, photo in zip(range(10 * count), itertools.cycle(self.photos)):
            if number >= count and until.is_set():
                break
            await asyncio.sleep(max(0, due - time.monotonic()))
            if len(in_flight) >= STEADY_IN_FLIGHT:
                await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
            due = max(due, time.monotonic() - 1) + 1 / rate
            task = asyncio.create_task(self.send(photo))
            tasks.append(task)
            in_flight.add(task)
            task.add_done_callback(in_flight.discard)
        return await asyncio.gather(*tasks)

    async def open_loop(self, rate: float, count: int) -> "Sent":
        """Sends `count` photos, `rate` a second, whatever becomes of them."""
        tasks, in_flight, held_back, started = [], set(), 0, time.monotonic()
        for number, photo in zip(range(count), itertools.cycle(self.photos)):
            await asyncio.sleep(max(0, started + number / rate - time.monotonic()))
            if len(in_flight) >= MOST_IN_FLIGHT:
                held_back += 1
                continue
            task = asyncio.create_task(self.send(photo))
            tasks.append(task)
            in_flight.add(task)
            task.add_done_callback(in_flight.discard)
        sending = time.monotonic() - started
        # Each has an outcome, or the scenario fails.
        return Sent(await asyncio.gather(*tasks), held_back, sending)


@dataclass
class Sent:
    outcomes: list[Outcome]
    held_back: int = 0
    seconds: float = 0

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if not outcome.ok]

    def kinds(self) -> str:
        counts = Counter(outcome.kind() for outcome in self.outcomes)
        return ", ".join(f"{count} x {kind}{self.when(kind)}" for kind, count in counts.most_common())

    def when(self, kind: str) -> str:
        """For those without an answer: when they were sent, from the first on, and how long they waited."""
        if not kind.startswith("0 "):
            return ""
        first = min(outcome.started for outcome in self.outcomes)
        lost = [outcome for outcome in self.outcomes if outcome.kind() == kind]
        spans = sorted(f"{one.started - first:.1f}+{one.seconds:.2f}" for one in lost)
        return f" (at {', '.join(spans[:20])} s)"


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of them do not pass."""
    values = sorted(values)
    return values[max(0, -(-int(share * 1000) * len(values) // 1000) - 1)]
