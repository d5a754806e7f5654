"""Three replicas behind the balancer under load: restarts, a kill, a cut network, overload."""

import asyncio
import threading
import time

from checks import Checks
from load import Client, Sent, percentile
from stack import REPLICAS, Stack, inspect, process_memory, wait_until

MIB = 1 << 20
# --request-timeout-ms.
REQUEST_TIMEOUT_SECONDS = 10
# What the contract lets a client see when it sends more than there is capacity for.
OVERLOAD_ANSWERS = {"429 queue_full", "503 not_ready", "503 shutting_down", "504 deadline_exceeded"}


async def under_load(client: Client, rate: float, count: int, act) -> Sent:
    """Runs `act`, which blocks, while photos are sent at a steady rate: `count` of them at least."""
    ended = asyncio.Event()
    load = asyncio.create_task(client.steady(rate, count, ended))
    try:
        await asyncio.sleep(2)
        await asyncio.to_thread(act)
        await asyncio.sleep(2)
    finally:
        ended.set()
    return Sent(await load)


async def capacity(checks: Checks, client: Client) -> float:
    """Photos a second, from as many clients as keep all replicas busy."""
    seconds = 10
    await client.closed_loop(12, 3)
    outcomes = await client.closed_loop(12, seconds)
    failed = {outcome.kind() for outcome in outcomes if not outcome.ok}
    rate = len(outcomes) / seconds
    checks.check(
        "12 clients through the balancer are all answered",
        not failed,
        f"{failed or ''}{rate:.0f} photos a second, "
        f"median {1e3 * percentile([o.seconds for o in outcomes], 0.5):.0f} ms",
    )
    return rate


def back_in_rotation(stack: Stack, replica: str, seconds: float = 60) -> float:
    return wait_until(f"{replica} is in rotation", lambda: replica in stack.in_rotation(), seconds)


async def rolling_restart(checks: Checks, stack: Stack, client: Client, rate: float):
    def restart_all():
        for replica in REPLICAS:
            stack.compose("restart", replica)
            back_in_rotation(stack, replica)
        # And once more as an update does it: another container, often with another address.
        for replica in REPLICAS:
            stack.compose("up", "-d", "--no-deps", "--force-recreate", replica)
            back_in_rotation(stack, replica)

    sent = await under_load(client, rate, 2000, restart_all)
    checks.check(
        "rolling restart and rolling update of three replicas: 0 failed of at least 2,000",
        len(sent.outcomes) >= 2000 and not sent.failed,
        f"{sent.kinds()}, at {rate:.0f} a second",
    )


async def kill(checks: Checks, stack: Stack, client: Client, rate: float):
    replica, took, restarts = REPLICAS[1], [], []

    def kill_one():
        container = stack.container(replica)
        before = inspect(container)["RestartCount"]
        stack.kill(replica)
        # A replica that is ready again before its second check is never taken out: what is asked is that
        # another process serves.
        seconds = wait_until("it is restarted", lambda: inspect(container)["RestartCount"] > before, 10)
        served = int(stack.balancer_state()[replica]["hrsp_2xx"])
        serves = lambda: int(stack.balancer_state()[replica]["hrsp_2xx"]) > served
        took.append(seconds + wait_until("it serves again", serves, 60))
        back_in_rotation(stack, replica)
        restarts.append(inspect(container)["RestartCount"] - before)

    sent = await under_load(client, rate, 400, kill_one)
    checks.check(
        "kill -9 of a replica under load: 0 failures, back after its restart",
        not sent.failed and restarts == [1],
        f"{sent.kinds()}; serves again after {took[0]:.1f} s",
    )


async def cut_off(checks: Checks, stack: Stack, client: Client, rate: float):
    replica, out, back = REPLICAS[2], [], []

    def cut_and_join():
        stack.cut_off(replica)
        seconds = wait_until("it is out", lambda: stack.taken_out(replica), 20)
        out.append((seconds, time.monotonic()))
        time.sleep(6)
        stack.join(replica)
        back.append(back_in_rotation(stack, replica))

    sent = await under_load(client, rate, 600, cut_and_join)
    [(seconds, taken_out)] = out
    slowest = max(outcome.seconds for outcome in sent.outcomes)
    clear = all(
        outcome.status in {502, 503, 504} and outcome.code and outcome.started < taken_out for outcome in sent.failed
    )
    checks.check(
        "a replica cut off: taken out, only requests in its hands are retried or fail with a clear status",
        clear,
        f"out after {seconds:.1f} s, back {back[0]:.1f} s after it was joined; {sent.kinds()}; slowest {slowest:.1f} s",
    )


async def overload(checks: Checks, stack: Stack, client: Client, rate: float):
    peaks = {replica: 0 for replica in REPLICAS}
    before = {replica: inspect(stack.container(replica))["State"]["StartedAt"] for replica in REPLICAS}
    # Asking the engine takes as much of a core as a replica.
    processes, ended = stack.processes(), threading.Event()

    def watch_memory():
        while not ended.wait(1):
            for replica, process in processes.items():
                peaks[replica] = max(peaks[replica], process_memory(process, "RssAnon"))

    watcher = threading.Thread(target=watch_memory)
    watcher.start()
    try:
        sent = await client.open_loop(2 * rate, round(2 * rate * 60))
    finally:
        ended.set()
        await asyncio.to_thread(watcher.join)
    reached = len(sent.outcomes) / sent.seconds / rate
    accepted = [outcome.seconds for outcome in sent.outcomes if outcome.status == 200]
    strange = [outcome for outcome in sent.failed if outcome.kind() not in OVERLOAD_ANSWERS]
    late = sum(outcome.status == 504 for outcome in sent.failed)
    p99 = percentile(accepted, 0.99) if accepted else float("inf")
    checks.check(
        "overload, twice the capacity for 60 s: no 5xx but those of the contract",
        not strange and not sent.held_back and reached > 1.8 and late <= len(sent.outcomes) / 100,
        f"{sent.kinds()}, sent at {reached:.2f} times the capacity",
    )
    checks.check(
        f"overload: p99 of the accepted within {REQUEST_TIMEOUT_SECONDS} s",
        p99 <= REQUEST_TIMEOUT_SECONDS and len(accepted) / sent.seconds > rate / 2,
        f"p50 {percentile(accepted or [0], 0.5):.2f} s, p99 {p99:.2f} s, "
        f"{len(accepted) / sent.seconds / rate:.2f} of the capacity",
    )
    state = {replica: inspect(stack.container(replica)) for replica in REPLICAS}
    limit = min(one["HostConfig"]["Memory"] for one in state.values())
    same = all(one["State"]["StartedAt"] == before[replica] for replica, one in state.items())
    checks.check(
        "overload: memory bounded, nothing restarted",
        same and max(peaks.values()) < limit,
        f"at most {max(peaks.values()) / MIB:.0f} MiB a replica of {limit / MIB:.0f}",
    )
    gauges = "max(googlenet_queue_depth) + max(googlenet_workers_busy)"

    def at_rest():
        series = stack.query(gauges)
        return bool(series) and float(series[0]["value"][1]) == 0

    seconds = await asyncio.to_thread(wait_until, "the gauges return", at_rest, 40)
    after = await client.closed_loop(4, 3)
    checks.check(
        "overload: after it the gauges return and all is served",
        all(outcome.ok for outcome in after),
        f"queue and workers at 0 after {seconds:.0f} s, {len(after)} photos answered",
    )


async def all_scenarios(checks: Checks, stack: Stack, shared):
    async with Client(stack.port, shared) as client:
        rate = await capacity(checks, client)
        # Two replicas take it, and a machine that has become slower meanwhile.
        steady = 0.4 * rate
        await rolling_restart(checks, stack, client, steady)
        await kill(checks, stack, client, steady)
        await cut_off(checks, stack, client, steady)
        await overload(checks, stack, client, await capacity(checks, client))
