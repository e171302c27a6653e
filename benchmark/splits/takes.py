"""What may be written of a take's wearer into a manifest. Nothing of participants.json is ever read."""

from __future__ import annotations

import hashlib


def participant_digest(uid: object) -> str:
    """Eight hex digits that stand for a wearer; "" where unknown.

    Equal wearers have equal digests, which is all that splits need. The dataset's own numbers stay out of manifests, but the
    digest is not salted and so does not make them secret.
    """
    return "" if uid is None or uid == "" else hashlib.sha256(f"participant {uid}".encode()).hexdigest()[:8]
