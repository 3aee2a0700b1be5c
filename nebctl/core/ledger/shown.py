"""The private facts that stand beside a record, held against what it promises."""

from collections.abc import Mapping

from nebctl.core.ledger import disclosure
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.records import Json


def check_shown(payload: Mapping[str, Json], shown: tuple[object, ...]) -> None:
    """Check that all that a record promises is shown, and nothing else; what a damaged store holds may be anything.

    Raises: `FormatError` naming the first thing that is not so.
    """
    texts = [each for each in shown if isinstance(each, str)]
    if len(texts) != len(shown):
        raise FormatError("disclosure", next(each for each in shown if not isinstance(each, str)), "a text")
    disclosure.check(payload, texts)
    promised = payload["_sd"]
    count = len(promised) if isinstance(promised, list) else 0
    if len(shown) != count:
        raise FormatError("disclosures", len(shown), f"{count}, as the record promises")
