"""Masking beside the others, on the same texts, in the same run; and what this machine could do at all."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from bench.evidence.store import Store
from kong_plugins.aws_masker.detect import DETECTORS, RUN_DETECTORS
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Text

VENV = Path(__file__).parents[2] / ".cache" / "evidence-venv"
_NEEDED = ("detect-secrets", "presidio-analyzer")
SIZES = {"10 KB": 10_000, "100 KB": 100_000, "1 MB": 1_000_000, "10 MB": 10_000_000}
_LARGE = 5_000_000
_LONG = 5.0
"""Seconds beyond which a text is not timed twice at once."""
_BUDGET = 12.0
"""Seconds of a core that a rival may take for one text."""
OURS, RE2, AGAIN = "this masker", "RE2 alone", "this masker, seen before"
LIMITS = ("bytes.count", "bytes.translate")
_PATTERNS = tuple(one.pattern for one in (*DETECTORS, *RUN_DETECTORS))

Times = dict[str, list[float] | None]
"""By text: seconds of a core, and on the clock for two at once on two cores (0: not tried); None: beyond the budget."""


class Speed(NamedTuple):
    """All times, by what was timed and by text."""

    sizes: dict[str, int]
    times: dict[str, Times]


class _Estate:
    """What one account's trail speaks of; real trails repeat their values about thirty times in a megabyte."""

    def __init__(self, rng: random.Random) -> None:
        self.account = f"{rng.randrange(10**11, 10**12)}"
        self.users = [f"{name}-{rng.randrange(100)}" for name in ("jane.doe", "ci-deploy", "terraform", "backup")]
        self.roles = [f"{rng.choice(('app', 'batch', 'web'))}-role-{rng.randrange(10**4)}" for _ in range(12)]
        self.keys = ["AS" + "IA" + "".join(rng.choices(_BASE32, k=16)) for _ in range(40)]
        self.instances = [f"i-{rng.randrange(16**17):017x}" for _ in range(60)]
        self.subnets = [f"subnet-{rng.randrange(16**17):017x}" for _ in range(12)]
        self.buckets = [f"acme-{rng.choice(('logs', 'data', 'web'))}-{rng.randrange(10**4)}" for _ in range(40)]
        self.addresses = [f"10.{rng.randrange(4)}.{rng.randrange(16)}.{rng.randrange(256)}" for _ in range(60)]


_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def cloudtrail(size: int, rng: random.Random, repeat: bool = True) -> str:
    """Return CloudTrail records, one a line: of one account's trail, or with values none of which comes twice."""
    estate = _Estate(rng)
    records: list[bytes] = []
    length = 0
    while length < size:
        estate = estate if repeat else _Estate(rng)
        records.append(orjson.dumps(_record(estate, rng)))
        length += len(records[-1]) + 1
    return b"\n".join(records)[:size].decode()


def _record(estate: _Estate, rng: random.Random) -> dict[str, Any]:
    role, user, account = rng.choice(estate.roles), rng.choice(estate.users), estate.account
    session = f"2024-05-{rng.randrange(1, 29):02}T10:{rng.randrange(60):02}:00Z"
    return {
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{user}",
            "accountId": account,
            "accessKeyId": rng.choice(estate.keys),
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "arn": f"arn:aws:iam::{account}:role/{role}", "userName": role},
                "attributes": {"creationDate": session, "mfaAuthenticated": "false"},
            },
        },
        "eventTime": session,
        "eventSource": "ec2.amazonaws.com",
        "eventName": "RunInstances",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": rng.choice(estate.addresses),
        "userAgent": "APN/1.0 HashiCorp/1.0 Terraform/1.1.2 (+https://www.terraform.io)",
        "requestParameters": {"subnetId": rng.choice(estate.subnets), "bucketName": rng.choice(estate.buckets)},
        "responseElements": {"instancesSet": {"items": [{"instanceId": rng.choice(estate.instances)}]}},
        "requestID": f"{rng.randrange(16**8):08x}-0f5a-4d0e-9b8f-{rng.randrange(16**12):012x}",
        "eventID": f"{rng.randrange(16**8):08x}-0f5a-4d0e-9b8f-{rng.randrange(16**12):012x}",
        "readOnly": False,
        "recipientAccountId": account,
        "tlsDetails": {"tlsVersion": "TLSv1.2", "clientProvidedHostHeader": "ec2.eu-west-1.amazonaws.com"},
    }


def clean(store: Store, size: int) -> str:
    """Return program text without a value of AWS's."""
    pieces: list[str] = []
    length = 0
    for path in sorted(store.wheel("networkx").rglob("*.py")):
        pieces.append(path.read_text(encoding="utf-8"))
        length += len(pieces[-1])
        if length > size:
            break
    text = "".join(pieces)
    return (text * (size // max(len(text), 1) + 1))[:size]


def measure(store: Store, sizes: Mapping[str, int] = SIZES, budget: float = _BUDGET) -> Speed:
    """Time everything on every text, an answer of one core and of two."""
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        paths, lengths = {}, {}
        for name, size in sizes.items():
            texts = (clean(store, size), cloudtrail(size, rng), cloudtrail(size, rng, repeat=False))
            for kind, text in zip(KINDS, texts, strict=True):
                label = f"{kind}, {name}"
                paths[label] = Path(folder, label.replace(" ", "-"))
                paths[label].write_text(text, encoding="ascii", errors="replace")
                lengths[label] = paths[label].stat().st_size
        times: dict[str, Times] = {}
        for work in (OURS, AGAIN, RE2, *LIMITS):
            print(f"timing {work} ...", file=sys.stderr)
            times[work] = {label: _both_ways(work, path) for label, path in paths.items()}
        times |= _rivals(store, paths, budget)
    return Speed(lengths, times)


def _masks(masker: Masker) -> Callable[[bytes], object]:
    return lambda text: masker.session().mask([Text(text)])


def _work(name: str, text: bytes) -> Callable[[], object]:
    """Return what is timed: `name` on `text`."""
    if name == OURS:
        _masks(Masker(Settings(), bytes(range(32))))(text[:1000])  # the automata are shared, what was seen is not
        return lambda: _masks(Masker(Settings(), bytes(range(32))))(text)
    if name == AGAIN:
        again = _masks(Masker(Settings(), bytes(range(32))))
        again(text)
        return lambda: again(text)
    if name == RE2:
        search = Pattern(b"|".join(b"(?:" + one + b")" for one in _PATTERNS)).search
        return lambda: _all(search, text)
    if name == "bytes.count":
        return lambda: text.count(b"\x00")
    table = bytes(range(256))
    return lambda: text.translate(table)


def _all(search: Callable[[bytes, int], tuple[int, int] | None], text: bytes) -> int:
    count = position = 0
    while (found := search(text, position)) is not None:
        count, position = count + 1, max(found[1], position + 1)
    return count


def _both_ways(name: str, path: Path) -> list[float] | None:
    text = path.read_bytes()
    work = _work(name, text)
    taken: list[float] = []
    while not taken or (len(taken) < 7 and sum(taken) < 2):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    alone = max(min(taken), 1e-6)
    return [alone, _two_at_once(name, path) if alone < _LONG else 0.0]


def _child(name: str, path: str, barrier: Any, results: Any) -> None:
    text = Path(path).read_bytes()
    work = _work(name, text)
    if len(text) < _LARGE:
        work()  # builds RE2's automaton, which a large text pays back
    barrier.wait()
    start = time.perf_counter()
    work()
    results.put(time.perf_counter() - start)


def _two_at_once(name: str, path: Path) -> float:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    children = [context.Process(target=_child, args=(name, str(path), barrier, results)) for _ in range(2)]
    for child in children:
        child.start()
    slowest = float(max(results.get() for _ in children))
    for child in children:
        child.join()
    return slowest


def _rivals(store: Store, paths: Mapping[str, Path], budget: float) -> dict[str, Times]:
    """Time the others in an environment of their own."""
    python = environment()
    work = {
        "texts": {label: str(path) for label, path in paths.items()},
        "patterns": [one.decode() for one in _PATTERNS],
        "guard": str(store.wheel("llm-guard")),
    }
    found: dict[str, Times] = {}
    for rival in _RIVALS:
        times: Times = {}
        for kind in KINDS:  # each kind from short to long: what one took tells whether the next is worth trying
            expected, size = 0.0, 1
            for label in (label for label in paths if label.startswith(kind)):
                length = paths[label].stat().st_size
                if expected * length / size > budget:
                    times[label] = None
                    continue
                print(f"timing {rival} on {label} ...", file=sys.stderr)
                times[label] = taken = _timed(python, {**work, "rival": rival, "text": str(paths[label])}, budget)
                expected, size = taken[0] if taken else budget, length
        found[rival] = times
    return found


def _timed(python: Path, work: Mapping[str, Any], budget: float) -> list[float] | None:
    """Return the times of one rival on one text: alone, and at once twice (0: too long); None beyond the budget.

    Raises:
        RuntimeError: it does not run here.
    """
    script = Path(__file__).with_name("rivals.py")
    command = [str(python), str(script)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as child:
        try:
            out, complaint = child.communicate(json.dumps(work), timeout=4 * budget + 10)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            out, complaint = child.communicate()[0], ""
    if child.returncode > 0:
        raise RuntimeError(f"{work['rival']}: {complaint.strip().splitlines()[-1][:200]}")
    times = [float(line) for line in out.split()]
    if not times or times[0] > budget:
        return None
    return [times[0], times[1] if len(times) > 1 else 0.0]


KINDS = ("clean", "CloudTrail", "all new")
_RIVALS: Sequence[str] = (
    *("re, one alternation", "the original's algorithm", "detect-secrets", "LLM Guard's detect-secrets", "Presidio"),
)


def environment() -> Path:
    """Return the Python of an environment with the others in it; made once."""
    python = VENV / "bin" / "python"
    ready = VENV / "ready"
    if not ready.exists():
        print("making an environment for the others ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *_NEEDED]
        subprocess.run(pip, check=True, capture_output=True)
        ready.touch()
    return python
