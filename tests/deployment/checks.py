"""What is checked, and what was measured against each."""

from dataclasses import dataclass, field


@dataclass
class Checks:
    rows: list[tuple[bool, str, str]] = field(default_factory=list)

    def check(self, what: str, held: bool, measured: str):
        self.rows.append((held, what, measured))
        print(f"{'ok    ' if held else 'FAILED'}  {what}: {measured}", flush=True)

    def figure(self, what: str, measured: str):
        """For the record: there is nothing to hold it to."""
        self.check(what, True, measured)

    def end(self) -> int:
        failed = sum(not held for held, _, _ in self.rows)
        print(f"\n{len(self.rows) - failed} passed, {failed} failed")
        return 1 if failed else 0
