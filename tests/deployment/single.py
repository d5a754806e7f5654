"""One container: what is in the image, what it may not do, the limits it is given, a storm of large images."""

import asyncio
import io
import json
import os
import subprocess
import tarfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from checks import Checks
from large_images import bodies
from load import Client
from stack import free_port, get, inspect, process_memory, run, wait_until

MIB = 1 << 20
HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]


@contextmanager
def container(image: str, shared: Path, *flags: str):
    """A hardened container that is ready; its id, its port, seconds from start to ready."""
    port = free_port()
    models = f"{shared.resolve()}/models:/models:ro"
    publish = f"127.0.0.1:{port}:8080"
    name = run("docker", "run", "-d", *HARDENED, "-v", models, "-p", publish, *flags, image)
    try:
        started = time.monotonic()

        def ready():
            try:
                return get(port, "/readyz") != ""
            except OSError:
                if not inspect(name)["State"]["Running"]:
                    raise RuntimeError(f"the container ended: {logs(name)[-1:]}") from None
                return False

        wait_until("the container is ready", ready, 60)
        yield name, port, time.monotonic() - started
    finally:
        run("docker", "rm", "-f", name)


def logs(name: str) -> list[dict]:
    """The service's log, line by line."""
    done = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]


def logged(name: str, message: str) -> dict:
    return next(line for line in logs(name) if line["message"] == message)


def content(checks: Checks, image: str):
    size = inspect(image)["Size"]
    checks.check("size of the image without weights, at most 40 MB", size <= 40_000_000, f"{size / 1e6:.1f} MB")
    name = run("docker", "create", image)
    try:
        exported = subprocess.run(["docker", "export", name], capture_output=True, check=True).stdout
    finally:
        run("docker", "rm", name)
    with tarfile.open(fileobj=io.BytesIO(exported)) as archive:
        files = {"/" + member.name for member in archive if member.isfile() and member.size > 0}
    ours = {"/usr/local/bin/googlenet", "/etc/passwd", "/etc/group"}
    libraries = {path for path in files if path.startswith(("/lib/", "/lib64/")) and ".so" in path}
    # The engine puts empty files of its own beside these.
    foreign = sorted(files - ours - libraries)
    checks.check(
        "the image holds the program and its libraries only",
        not foreign,
        f"{len(files)} files" + (f", foreign: {foreign}" if foreign else ""),
    )


def hardening(checks: Checks, image: str, shared: Path):
    with container(image, shared) as (name, port, ready):
        state = inspect(name)
        pid = state["State"]["Pid"]
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
        )
        checks.check("not root", set(status["Uid"].split()) == {"65532"}, f"uid {status['Uid'].split()[0]}")
        capabilities = {field: int(status[field], 16) for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
        checks.check("no capabilities", not any(capabilities.values()), str(capabilities))
        checks.check(
            "no new privileges", status["NoNewPrivs"].strip() == "1", f"NoNewPrivs {status['NoNewPrivs'].strip()}"
        )
        checks.check("read-only root file system", state["HostConfig"]["ReadonlyRootfs"], "serves from it")
        run("docker", "exec", name, "/usr/local/bin/googlenet", "health")
        healthy = lambda: inspect(name)["State"]["Health"]["Status"] == "healthy"
        seconds = wait_until("the engine calls it healthy", healthy, 30)
        checks.figure("HEALTHCHECK through the binary", f"healthy {seconds + ready:.0f} s after the start")
        shell = subprocess.run(["docker", "exec", name, "/bin/sh", "-c", "true"], capture_output=True)
        checks.check("no shell", shell.returncode != 0, f"exit status {shell.returncode}")
        started = time.monotonic()
        run("docker", "stop", name)
        stopped = time.monotonic() - started
        code = inspect(name)["State"]["ExitCode"]
        checks.check("docker stop drains, exit status 0", code == 0, f"{code} after {stopped:.1f} s")


def limits(checks: Checks, image: str, shared: Path):
    cores = os.cpu_count() or 1
    for cpus, expected in [("0.5", 1), ("1", 1), (str(cores), cores)]:
        with container(image, shared, "--cpus", cpus, "--memory", "512m") as (name, port, ready):
            starting, loaded = logged(name, "starting"), logged(name, "model loaded")
            pid = inspect(name)["State"]["Pid"]
            threads = [Path(task, "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir()]
            computing = sum(thread.startswith("worker-") for thread in threads)
            team = sum(thread.startswith("team-") for thread in threads)
            held = (
                loaded["workers"] == starting["cores"] == computing == expected
                and starting["cpu_quota_cores"] == float(cpus)
                and starting["memory_limit_bytes"] == 512 * MIB
                # Threads for a lone image: none on one core, else as many as cores.
                and team == (0 if expected == 1 else expected)
            )
            checks.check(
                f"--cpus {cpus} --memory 512m is honoured and logged",
                held,
                f"quota {starting['cpu_quota_cores']}, {computing} workers, {team} team threads, "
                f"limit {starting['memory_limit_bytes'] // MIB} MiB, ready after {ready:.2f} s",
            )


def sizing(checks: Checks, image: str, shared: Path):
    """One core a replica: how fast it starts, how much it serves, what it takes."""

    async def photos_a_second(port: int) -> float:
        async with Client(port, shared) as client:
            await client.closed_loop(4, 1)
            outcomes = await client.closed_loop(4, 5)
            return sum(outcome.ok for outcome in outcomes) / 5

    for precision in ("f32", "int8"):
        times, rates, resident, after = [], [], [], []
        for _ in range(3):
            flags = ["--cpus", "1", "--memory", "512m", "-e", f"GOOGLENET_PRECISION={precision}"]
            with container(image, shared, *flags) as (name, port, ready):
                pid = inspect(name)["State"]["Pid"]
                times.append(ready)
                resident.append(process_memory(pid, "VmRSS") / 1e6)
                rates.append(asyncio.run(photos_a_second(port)))
                after.append(process_memory(pid, "VmRSS") / 1e6)
        time_, rate, ready_mb, after_mb = (sorted(values)[1] for values in (times, rates, resident, after))
        checks.figure(
            f"one core, {precision}, medians of 3",
            f"ready after {time_:.2f} s, {rate:.0f} photos a second from 4 clients, "
            f"resident {ready_mb:.0f} MB ready, {after_mb:.0f} MB after the photos",
        )


async def storm(port: int, images: list[tuple[str, str, bytes]], count: int, clients: int) -> Counter:
    url, kinds, numbers = f"http://127.0.0.1:{port}/classify", Counter(), iter(range(count))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client():
            for number in numbers:
                name, content_type, body = images[number % len(images)]
                headers = {"Content-Type": content_type}
                try:
                    async with session.post(url, data=body, headers=headers) as response:
                        answer = json.loads(await response.read())
                        kinds[f"{response.status} {answer.get('code', '')}".strip()] += 1
                except (aiohttp.ClientError, OSError) as error:
                    kinds[f"{name}: {type(error).__name__}"] += 1

        await asyncio.gather(*(client() for _ in range(clients)))
    return kinds


async def half_sent(port: int, connections: int):
    """Connections that announce the largest body, send a part of it and fall silent."""
    head = b"POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20971520\r\n\r\n"
    writers = []
    for _ in range(connections):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + bytes(200_000))
        writers.append(writer)
    return writers


def memory(checks: Checks, image: str, shared: Path):
    """The largest images that a replica of 256 MiB takes, in each form and format, all at once."""
    images = bodies()
    with container(image, shared, "--cpus", "1", "--memory", "256m") as (name, port, _):
        pid = inspect(name)["State"]["Pid"]
        budget = logged(name, "memory")
        refused = {
            "400 invalid_parameter",
            "408 request_timeout",
            "413 body_too_large",
            "413 image_too_large",
            "413 too_many_images",
            "429 queue_full",
        }
        for label, content_type, body in images:
            alone = asyncio.run(storm(port, [(label, content_type, body)], 1, 1))
            # Alone it is not refused for want of a place.
            clear = set(alone) <= {"200"} | refused - {"429 queue_full"}
            checks.check(f"{label} alone, {len(body) / 1e6:.1f} MB, on 256 MiB", clear, ", ".join(alone))

        async def everything() -> Counter:
            writers = await half_sent(port, 100)
            kinds = await storm(port, images, 400, 48)
            for writer in writers:
                writer.close()
            return kinds

        kinds = asyncio.run(everything())
        state = inspect(name)["State"]
        alive = state["Running"] and state["Pid"] == pid and not state["OOMKilled"]
        peak = process_memory(pid, "VmHWM") if alive else 0
        checks.check(
            "--memory 256m, f32, a storm of the largest images: not killed, 413 or 429 instead",
            alive and set(kinds) <= refused | {"200"} and kinds["200"] > 0 and sum(kinds.values()) == 400,
            f"{', '.join(f'{n} x {kind}' for kind, n in kinds.most_common())}; "
            f"{'alive' if alive else 'killed'}, peak {peak / MIB:.0f} MiB; "
            f"for decoding {budget['decode_memory_bytes'] // MIB} MiB, bodies {budget['body_memory_bytes'] // MIB} MiB",
        )
        photo = next(iter(sorted((shared / "photos").glob("*.JPEG")))).read_bytes()
        after = asyncio.run(storm(port, [("photo", "image/jpeg", photo)], 20, 2))
        checks.check("after the storm photos are classified", after == Counter({"200": 20}), str(dict(after)))


def hostile(checks: Checks, image: str, shared: Path):
    """Files made to pass the limits, on the smallest replica: refused or answered, and nothing ends."""
    files = [path for path in sorted((shared / "cases" / "hostile").iterdir()) if path.suffix != ".md"]
    with container(image, shared, "--cpus", "1", "--memory", "256m") as (name, port, _):
        pid = inspect(name)["State"]["Pid"]
        before = process_memory(pid, "VmHWM")
        for path in files:
            body = path.read_bytes()
            started = time.monotonic()
            answers = asyncio.run(storm(port, [(path.name, "application/octet-stream", body)], 1, 1))
            seconds = time.monotonic() - started
            said = ", ".join(answers)
            checks.check(
                f"{path.name}, {len(body)} bytes, on 256 MiB: 200 or 4xx",
                said.startswith(("200", "4")),
                f"{said} after {seconds:.2f} s",
            )
        kinds = asyncio.run(storm(port, [(path.name, "image/png", path.read_bytes()) for path in files], 200, 32))
        state = inspect(name)["State"]
        alive = state["Running"] and state["Pid"] == pid and not state["OOMKilled"]
        growth = (process_memory(pid, "VmHWM") - before) / 1e6 if alive else 0
        checks.check(
            "all of them 200 times, 32 at once: no 5xx, memory grows by at most 200 MB",
            alive and all(kind.startswith(("200", "4")) for kind in kinds) and growth <= 200,
            f"{', '.join(f'{n} x {kind}' for kind, n in kinds.most_common())}; {growth:.0f} MB",
        )
