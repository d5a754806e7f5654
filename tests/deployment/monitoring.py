"""What is watched: the alerts as promtool tries them, and each query of the dashboard on real metrics."""

import json
import re

from checks import Checks
from stack import ROOT, Stack, get, run

DASHBOARD = ROOT / "docker/grafana/dashboards/googlenet.json"


def alerts(checks: Checks):
    folder = f"{ROOT}/docker/prometheus:/etc/prometheus:ro"
    for arguments in (
        ["check", "config", "/etc/prometheus/prometheus.yml"],
        ["test", "rules", "/etc/prometheus/alerts_test.yml"],
    ):
        said = run("docker", "run", "--rm", "-v", folder, "googlenet-services", "promtool", *arguments)
        checks.check(f"promtool {' '.join(arguments[:2])}", "SUCCESS" in said, said.splitlines()[-1].strip())


def live(checks: Checks, stack: Stack):
    """After load, with the rules loaded: every query of the dashboard has an answer."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    # A variable of Grafana's.
    silent = [query for query in queries if not stack.query(query.replace("$__rate_interval", "5m"))]
    checks.check(
        "each query of the dashboard finds something",
        not silent,
        f"{len(queries)} queries in {len(panels)} panels" + (f", nothing for {silent}" if silent else ""),
    )
    groups = json.loads(get(stack.prometheus_port, "/api/v1/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    sick = [rule["name"] for rule in rules if rule["health"] != "ok"]
    checks.check(
        "Prometheus evaluates each alert", len(rules) > 0 and not sick, f"{len(rules)} rules {sick or ''}".strip()
    )
    names = set(json.loads(get(stack.prometheus_port, "/api/v1/label/__name__/values"))["data"])
    used = {name for rule in rules for name in re.findall(r"\b(?:googlenet|process|haproxy)_\w+", rule["query"])}
    checks.check(
        "the alerts ask for metrics that there are",
        used <= names,
        f"{len(used)} metrics {sorted(used - names) or ''}".strip(),
    )
