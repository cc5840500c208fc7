import pytest

import power
from headwater import Server

_lines: list[str] = []


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    return power.build(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for a module's tests. Ten tokens, 5 ms apart: streamed, and soon over."""
    with Server(tmp_path_factory.mktemp("server") / "data", tokens=10, gap_ms=5) as one:
        yield one


@pytest.fixture
def summary():
    """A line for the end of the report: what was measured, also where the test passed."""
    return _lines.append


def pytest_terminal_summary(terminalreporter):
    for line in _lines:
        terminalreporter.write_line(line)
