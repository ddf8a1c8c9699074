"""A small run of the fuzzer, the same cases each time."""

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parent / "benchmarks" / "fuzz.py"


def test_a_few_hundred_cases():
    result = subprocess.run(
        [sys.executable, str(FUZZ), "300"], capture_output=True, text=True, timeout=600
    )
    assert result.stdout.endswith("300 cases, 0 that should not be\n"), (
        result.stdout + result.stderr
    )
    assert result.returncode == 0
