# skip_result_postprocessing
"""Put the counts of notices and of what was sent into one answer, and fail where a channel failed.

Script: the last step of the flows expire_documents and deliver_notices. There a channel that fails does not stop the
other, so that it is only told here. It reads and writes nothing.
"""

from f.core.errors import ChannelUnavailable
from f.core.job import script
from f.core.maintenance import only_counts


@script()
def main(
    email: dict | None = None,  # type: ignore[type-arg] # Windmill's form knows this type alone
    webhook: dict | None = None,  # type: ignore[type-arg] # the same
    notices: dict | None = None,  # type: ignore[type-arg] # the same
) -> dict[str, object]:
    """Put counts together.

    Args:
        email: What deliver_by_email answered, or its error.
        webhook: What deliver_by_webhook answered, or its error.
        notices: What notify_expiring counted.
    """
    answers = {"email": email, "webhook": webhook}
    failed = [name for name, answer in answers.items() if isinstance(answer, dict) and answer.get("error")]
    if failed:
        raise ChannelUnavailable(f"Sending notices failed ({' and '.join(failed)}); that step's job says why.")
    counts = {name: only_counts(answer.get("data")) for name, answer in answers.items() if isinstance(answer, dict)}
    return {**only_counts(notices), **counts}
