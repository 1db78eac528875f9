"""The parts of `doctor` that try the masker itself."""

from __future__ import annotations

import os
from collections.abc import Callable

from kong_plugins.aws_masker.cli.checks import Check
from kong_plugins.aws_masker.detect import DETECTORS, RUN_DETECTORS
from kong_plugins.aws_masker.errors import MaskerError
from kong_plugins.aws_masker.masking import Masker, restore
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Text
from kong_plugins.aws_masker.wire import codings as coded

SAMPLE = b"abcdefghijklmnopqrstuvwxyz" * 100
DETECTED = (*DETECTORS, *RUN_DETECTORS)
REINSTALL = "pip install --force-reinstall kong-aws-masker"


def codings() -> Check:
    """Check that every content coding can be written and read again."""
    broken = [name for name in sorted(coded.KNOWN) if not _survives(name)]
    if broken:
        return Check("codings", "failed", f"not working: {', '.join(broken)}", REINSTALL)
    return Check("codings", "ok", ", ".join(sorted(coded.KNOWN)))


def _survives(coding: str) -> bool:
    try:
        return coded.decode(coded.encode(SAMPLE, [coding]), [coding], len(SAMPLE)) == SAMPLE
    except MaskerError:
        return False


def masking(settings: Settings) -> Check:
    """Mask and restore the samples of every detector, then build a masker with the configured settings."""
    everything = Masker(Settings(mask_public_ips=True), os.urandom(32))
    try:
        broken = [detector.name for detector in DETECTED if not all(map(_round_trip(everything), detector.positives))]
        Masker(settings, os.urandom(32)).session().mask([Text(SAMPLE)])
    except Exception as error:  # noqa: BLE001  whatever it is, the other checks go on; its text may hold a sample
        return Check("masking", "failed", f"{type(error).__name__} while masking", REINSTALL)
    if broken:
        return Check("masking", "failed", f"wrong for: {', '.join(broken)}", REINSTALL)
    samples = sum(len(detector.positives) for detector in DETECTED)
    return Check("masking", "ok", f"{samples} samples of {len(DETECTED)} detectors masked and restored")


def _round_trip(masker: Masker) -> Callable[[str], bool]:
    """Return a test of a sample whose values stand between guillemets: are they gone, and do they come back?"""

    def works(sample: str) -> bool:
        values = [part.partition("»")[0].encode() for part in sample.split("«")[1:]]
        text = sample.replace("«", "").replace("»", "").encode()
        session = masker.session()
        masked = session.mask([Text(text)])[0]
        if masked is None:
            return False
        entries = {placeholder: entry.value for placeholder, entry in session.mapping.items()}
        return not any(value in masked for value in values) and restore(masked, entries.get) == text

    return works
