"""How a search case is laid out in its file: short values on one line, long ones broken, so that a change reads well."""

import json

WIDTH = 150


def render(value, depth=0):
    """JSON text of `value`, two blanks a level; what fits on a line stays on it."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or not value or (len(flat) + 2 * depth <= WIDTH and depth > 1):
        return flat
    pad = "  " * (depth + 1)
    if isinstance(value, list):
        inner = [pad + render(v, depth + 1) for v in value]
        return "[\n" + ",\n".join(inner) + "\n" + "  " * depth + "]"
    inner = [f"{pad}{json.dumps(k)}: {render(v, depth + 1)}" for k, v in value.items()]
    return "{\n" + ",\n".join(inner) + "\n" + "  " * depth + "}"
