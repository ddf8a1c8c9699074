"""Small mutations of the package, and how many of them make a test fail.

    pip install -e ".[benchmark]"
    python tests/benchmarks/mutations.py --sample 300
    python tests/benchmarks/mutations.py --modules _optimize/lbfgs

cosmic-ray finds the places and makes the mutants, in a copy of the package. One
operator is drawn for each place, and then a sample of the places. The seed is fixed, so
that the same mutants are tried again. Annotations are excluded, and so are constants,
whose values come from studies. `mutations.toml` names the tests for each module. pytest
runs them in a process that is forked after numpy, scipy and scikit-learn are loaded. A
mutant is noticed if a test fails or takes ten times the processor time. Others are
printed, unless `mutations.toml` says that they change nothing.
"""

import argparse
import ast
import difflib
import importlib.util
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis.strategies  # noqa: F401, loaded before the fork
import pandas  # noqa: F401
import pytest
import scipy.optimize  # noqa: F401
import sklearn.utils.estimator_checks  # noqa: F401
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

# Tests that take so many seconds have hung.
LONGEST = 1800
CONFIG = tomllib.loads((HERE / "mutations.toml").read_text())


def left_out(code: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The start and end of annotations and constants, as (line, column)."""
    tree = ast.parse(code)
    parts: list[Any] = []
    for node in ast.walk(tree):
        parts += [getattr(node, name, None) for name in ("annotation", "returns")]
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).isupper():
            parts.append(node.value)
    return [
        ((part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset))
        for part in parts
        if isinstance(part, ast.expr)
    ]


class Mutation(NamedTuple):
    """An operator, and the number of its place, counted from the top."""

    operator: Any
    occurrence: int


def operators() -> dict[str, list[Any]]:
    """cosmic-ray's operators without arguments, by their kinds."""
    kinds: dict[str, list[Any]] = {}
    for name in sorted(operator_names()):
        operator = get_operator(name)
        if not operator.arguments():
            kinds.setdefault(name.rsplit("_", 1)[0], []).append(operator())
    return kinds


def places(code: str, rng: random.Random) -> list[Mutation]:
    """One mutation for each place in the code and kind of operator."""
    spans, nodes = left_out(code), list(ast_nodes(get_ast(code)))
    found: list[Mutation] = []
    for kind in operators().values():
        of_place: dict[Any, list[Mutation]] = {}
        for operator in kind:
            begins = [
                place[0] for n in nodes for place in operator.mutation_positions(n)
            ]
            for occurrence, begin in enumerate(begins):
                if not any(first <= begin < last for first, last in spans):
                    mutation = Mutation(operator, occurrence)
                    of_place.setdefault(begin, []).append(mutation)
        found += [rng.choice(mutations) for mutations in of_place.values()]
    return found


def mutant(code: str, mutation: Mutation) -> tuple[str, str] | None:
    """The change, "before -> after", and the changed code; None for nothing."""
    changed = mutate_code(code, *mutation)
    if changed is None or changed == code:
        return None
    lines = difflib.unified_diff(code.splitlines(), changed.splitlines(), n=0)
    sides = {"-": "", "+": ""}
    for line in lines:
        if line[:1] in sides and line[:3] not in ("---", "+++"):
            sides[line[0]] += " " + line[1:].strip()
    return f"{sides['-'].strip()} -> {sides['+'].strip()}", changed


def fails(
    folder: Path, tests: list[str], limit: int, keep: bool = False
) -> tuple[bool, float]:
    """Whether the tests fail in their own process, and the seconds they took.

    These are processor seconds, which do not depend on the load. Tests that take more
    than ``limit`` fail, as do those that hang. With ``keep`` compiled code is kept for
    later processes.
    """
    child = os.fork()
    if not child:
        sys.dont_write_bytecode = not keep
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        files = [f"tests/{name}.py" for name in tests]
        arguments = ["-x", "-q", "-p", "no:cacheprovider", *files]
        # Modules that were loaded before the fork.
        arguments += ["-W", "ignore:Module already imported"]
        os._exit(int(pytest.main(arguments)))
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        pid, status, used = os.wait4(child, os.WNOHANG)
        if pid:
            return status != 0, used.ru_utime + used.ru_stime
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True, limit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, help="so many places; by default all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--modules", nargs="*", default=list(CONFIG["tests"]))
    given = parser.parse_args()
    # Neither here nor in the processes that tests start.
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    folder = Path(tempfile.mkdtemp())
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    try:
        shutil.copytree(ROOT, folder, dirs_exist_ok=True, ignore=ignored)
        return run(folder, given.modules, given.sample, given.seed)
    finally:
        shutil.rmtree(folder)


def run(folder: Path, modules: list[str], sample: int | None, seed: int) -> int:
    paths = {name: folder / "sklearn_relulogit" / f"{name}.py" for name in modules}
    everywhere = []
    for name, path in paths.items():
        # The draw for one module does not depend on the others.
        rng = random.Random(f"{seed} {name}")
        found = places(path.read_text(), rng)
        everywhere += [(rng.random(), name, mutation) for mutation in found]
    print(f"{len(everywhere)} places in {len(modules)} modules", flush=True)
    everywhere.sort(key=lambda place: place[0])
    counts = {"noticed": 0, "same": 0, "missed": 0}
    limits: dict[str, int] = {}
    try:
        for number, (_, name, mutation) in enumerate(everywhere[:sample], 1):
            counts[outcome(name, paths[name], mutation, folder, limits)] += 1
            print(f"{number}: {counts}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted")
    changing = counts["noticed"] + counts["missed"]
    print(
        f"{sum(counts.values())} mutants: {counts['same']} change nothing, "
        f"{counts['noticed']} of {changing} are noticed "
        f"({counts['noticed'] / max(changing, 1):.1%})"
    )
    return int(counts["missed"] > 0)


def outcome(
    name: str,
    path: Path,
    mutation: Mutation,
    folder: Path,
    limits: dict[str, int],
) -> str:
    """Whether a mutant is "noticed", "missed", or the "same" as the original."""
    tests = CONFIG["tests"][name]
    if name not in limits:
        failed, seconds = fails(folder, tests, LONGEST, keep=True)
        # On a busy machine a test of simultaneous threads may fail.
        if failed and fails(folder, tests, LONGEST)[0]:
            raise RuntimeError(f"{tests} fail without a mutation")
        limits[name] = int(10 * seconds) + 10
    code = path.read_text()
    made = mutant(code, mutation)
    if made is None:
        return "same"
    change, changed = made
    # This module's compiled code is not that of the mutant.
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
    path.write_text(changed)
    try:
        failed, _ = fails(folder, tests, limits[name])
    finally:
        path.write_text(code)
    if failed:
        return "noticed"
    if change in CONFIG["same"].get(name, {}):
        return "same"
    print(f"{name}: {change}", flush=True)
    return "missed"


if __name__ == "__main__":
    sys.exit(main())
