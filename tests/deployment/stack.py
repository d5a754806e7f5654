"""docker/compose.yaml as a test runs it: three replicas, the balancer, Prometheus."""

import csv
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "googlenet-deployment-test"
REPLICAS = ["replica-1", "replica-2", "replica-3"]


def run(*command: str, **options) -> str:
    """The command's standard output; its failure is ours, with what it said."""
    done = subprocess.run(command, text=True, capture_output=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def wait_until(what: str, condition, seconds: float) -> float:
    """How long it took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - started


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        return response.read().decode()


def inspect(container: str) -> dict:
    return json.loads(run("docker", "inspect", container))[0]


class Stack:
    def __init__(self, shared: Path, image: str):
        self.port, self.state_port, self.prometheus_port = free_port(), free_port(), free_port()
        self.environment = os.environ | {
            "GOOGLENET_IMAGE": image,
            "GOOGLENET_MODELS": str(shared.resolve() / "models"),
            "GOOGLENET_PORT": str(self.port),
            "BALANCER_IMAGE": "googlenet-services",
            "BALANCER_STATE_PORT": str(self.state_port),
            "PROMETHEUS_IMAGE": "googlenet-services",
            "PROMETHEUS_PORT": str(self.prometheus_port),
        }
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
        if not plugin and not shutil.which("docker-compose"):
            raise RuntimeError("there is neither `docker compose` nor docker-compose: install one")
        self.command = ["docker", "compose"] if plugin else ["docker-compose"]

    def compose(self, *arguments: str) -> str:
        file = str(ROOT / "docker/compose.yaml")
        return run(*self.command, "-p", PROJECT, "-f", file, *arguments, env=self.environment)

    def __enter__(self):
        self.down()
        # Grafana's image comes from a registry only.
        self.compose("up", "-d", *REPLICAS, "balancer", "prometheus")
        wait_until("all replicas in rotation", lambda: self.in_rotation() == set(REPLICAS), 60)
        return self

    def __exit__(self, error, *_):
        if error:
            print(self.compose("logs", "--no-color", "--tail=30", "balancer"))
        self.down()

    def down(self):
        self.compose("down", "-v", "--remove-orphans", "-t", "1")

    def container(self, service: str) -> str:
        return self.compose("ps", "-q", service)

    def balancer_state(self) -> dict[str, dict[str, str]]:
        """Each replica's row of the balancer's statistics."""
        text = get(self.state_port, "/;csv").removeprefix("# ")
        rows = csv.DictReader(io.StringIO(text))
        return {row["svname"]: row for row in rows if row["pxname"] == "replicas"}

    def in_rotation(self) -> set[str]:
        """The replicas that passed their last check; one that was never checked has not."""
        try:
            state = self.balancer_state()
        except OSError:
            return set()
        # `* L7OK` while the next check is under way, `UP 1/2` after a check that failed.
        good = {n for n, row in state.items() if row["status"] == "UP" and row["check_status"].endswith("L7OK")}
        return good & set(REPLICAS)

    def taken_out(self, service: str) -> bool:
        """Whether the balancer sends it nothing more."""
        return not self.balancer_state()[service]["status"].startswith("UP")

    def kill(self, service: str):
        """As the kernel does when memory is out: no signal handler runs, and the restart policy acts."""
        os.kill(inspect(self.container(service))["State"]["Pid"], signal.SIGKILL)

    def network(self) -> str:
        networks = inspect(self.container("balancer"))["NetworkSettings"]["Networks"]
        return next(iter(networks))

    def cut_off(self, service: str):
        run("docker", "network", "disconnect", self.network(), self.container(service))

    def join(self, service: str):
        run("docker", "network", "connect", "--alias", service, self.network(), self.container(service))

    def query(self, expression: str) -> list[dict]:
        """The series of a PromQL expression, now."""
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        return json.loads(get(self.prometheus_port, path))["data"]["result"]

    def processes(self) -> dict[str, int]:
        """The process id of each replica."""
        return {service: inspect(self.container(service))["State"]["Pid"] for service in REPLICAS}


def process_memory(pid: int, field: str) -> int:
    """A field of /proc/PID/status, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/{pid}/status has no {field}")
