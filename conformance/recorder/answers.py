"""When a recorded search answer and a new one are the same: the rules that README.md states."""

import json

TOLERANCE = 1e-9


class Volatile:
    """The members that change from run to run, as `search/volatile.json` lists them."""

    def __init__(self, path):
        listed = json.loads(path.read_text())
        self.anywhere = set(listed["anywhere"])
        self.at = listed["at"]

    def strip(self, request, body):
        """A copy of `body`, the answer to `request` ("GET /"), without its volatile members."""
        body = self._strip_names(body)
        for pointer in self.at.get(request, []):
            *path, last = pointer.split("/")[1:]
            place = body
            for name in path:
                place = place.get(name, {})
            place.pop(last, None)
        return body

    def _strip_names(self, value):
        if isinstance(value, dict):
            return {k: self._strip_names(v) for k, v in value.items() if k not in self.anywhere}
        if isinstance(value, list):
            return [self._strip_names(v) for v in value]
        return value


def reduce_errors(value):
    """Errors as they compare: the type and the first root cause's type."""
    if isinstance(value, list):
        return [reduce_errors(v) for v in value]
    if not isinstance(value, dict):
        return value
    return {k: reduced_error(v) if k == "error" else reduce_errors(v) for k, v in value.items()}


def reduced_error(error):
    """One error object reduced; a plain string stays a string of no matter what text."""
    if isinstance(error, str):
        return "text"
    if not isinstance(error, dict):
        return error
    kept = {"type": error.get("type")}
    if error.get("root_cause"):
        kept["root_cause"] = error["root_cause"][0].get("type")
    return kept


def order_hits(body):
    """Orders the hits by index and id, for searches without a sort."""
    hits = body.get("hits", {}).get("hits") if isinstance(body, dict) else None
    if hits:
        hits.sort(key=lambda hit: (hit.get("_index"), hit.get("_id")))
    return body


def difference(expected, got, where=""):
    """Where two answers differ first, as one line; None where they do not."""
    numbers = [isinstance(v, (int, float)) and not isinstance(v, bool) for v in (expected, got)]
    if all(numbers):
        close = abs(expected - got) <= TOLERANCE * max(abs(expected), abs(got))
        return None if close else f"{where}: recorded {expected}, got {got}"
    if type(expected) is not type(got):
        return f"{where}: recorded {json.dumps(expected)[:200]}, got {json.dumps(got)[:200]}"
    if isinstance(expected, dict):
        if expected.keys() != got.keys():
            return f"{where}: members {sorted(expected.keys() ^ got.keys())} on one side only"
        return next(filter(None, (difference(v, got[k], f"{where}/{k}") for k, v in expected.items())), None)
    if isinstance(expected, list):
        if len(expected) != len(got):
            return f"{where}: recorded {len(expected)} elements, got {len(got)}"
        return next(filter(None, (difference(e, g, f"{where}/{i}") for i, (e, g) in enumerate(zip(expected, got)))), None)
    return None if expected == got else f"{where}: recorded {json.dumps(expected)[:200]}, got {json.dumps(got)[:200]}"


def lines(text):
    """A text answer as it compares: runs of blanks as one, none at a line's end."""
    return [" ".join(line.split()) for line in text.splitlines()]


def answer_difference(step, expected, got):
    """Where the recorded answer of a step and a new one differ; None where they agree."""
    if expected.get("status") != got["status"]:
        return f"status: recorded {expected.get('status')}, got {got['status']}"
    if ("text" in expected) != ("text" in got) or ("body" in expected) != ("body" in got):
        return f"recorded {sorted(expected)}, got {sorted(got)}"
    if "text" in got:
        return None if lines(expected["text"]) == lines(got["text"]) else f"text: recorded {expected['text']!r}, got {got['text']!r}"
    if "body" not in got:
        return None
    old, new = reduce_errors(expected["body"]), reduce_errors(got["body"])
    if step.get("unordered_hits"):
        old, new = order_hits(old), order_hits(new)
    return difference(old, new)
