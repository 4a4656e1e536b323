"""Changes of a function's tree in one place, each with words for what a learner did there."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator

_OPERATORS = {
    (ast.Add, ast.Sub): "a minus stands where a plus belongs",
    (ast.Sub, ast.Add): "a plus stands where a minus belongs",
    (ast.Mult, ast.Div): "something is divided by what it has to be multiplied by",
    (ast.Div, ast.Mult): "something is multiplied by what it has to be divided by",
    (ast.Mult, ast.Add): "two parts are added that have to be multiplied",
    (ast.Add, ast.Mult): "two parts are multiplied that have to be added",
}
_ORDERS = {
    (ast.Gt, ast.GtE): "equal counts as larger",
    (ast.GtE, ast.Gt): "equal does not count, and it has to",
    (ast.Lt, ast.LtE): "equal counts as smaller",
    (ast.Gt, ast.Lt): "a comparison is turned round",
    (ast.Lt, ast.Gt): "a comparison is turned round",
}
_LOST = {
    "sqrt": "a root is missing",
    "square": "a square is missing",
    "abs": "an absolute value is missing",
    "exp": "an exponential is missing",
    "log": "a logarithm is missing",
    "cumprod": "the running product is missing",
    "clamp": "a limit on the values is missing",
    "diff": "differences of neighbours are missing",
    "diag": "the step onto the diagonal is missing",
    "T": "a transpose is missing",
    "mT": "a transpose is missing",
}
_EXCHANGED = {
    "mean": ("sum", "amax", "max"),
    "sum": ("mean", "prod", "amax"),
    "min": ("max", "mean"),
    "max": ("min", "mean", "sum"),
    "amax": ("mean", "amin"),
    "argmax": ("argmin",),
    "prod": ("sum", "mean"),
    "cumprod": ("cumsum",),
    "log10": ("log", "log2"),
    "log": ("log10",),
    "square": ("abs",),
    "abs": ("square",),
    "cos": ("sin",),
    "hypot": ("add",),
}

_ALONG = ("sum", "mean", "softmax", "amax", "amin", "cumprod", "norm", "flatten", "flip", "diff")

Change = tuple[str, Callable[[ast.AST], ast.AST]]


def changes(function: ast.FunctionDef) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the function with one place changed, and words for the change."""
    asked = [each.arg for each in function.args.args]
    stored = [n.id for n in ast.walk(function) if isinstance(n, ast.Name) and _is_stored(n)]
    made = [name for name in dict.fromkeys(stored) if name not in asked]
    places = enumerate(ast.walk(ast.Module(function.body, type_ignores=[])))
    repeated, axes = _repeated(function), _axes(function)
    found = [
        (place, "another axis or place is taken" if node in axes else words, change)
        for place, node in places
        for words, change in _of(node, asked, made)
        if not (node in repeated and _rank(words) > 1)
    ]
    for place, words, change in sorted(found, key=lambda each: _rank(each[1])):
        new = copy.deepcopy(function)
        old = list(ast.walk(ast.Module(new.body, type_ignores=[])))[place]
        other = change(copy.deepcopy(old))
        if ast.dump(other) != ast.dump(old) and _put(new, old, other):
            yield words, new


def _repeated(function: ast.FunctionDef) -> set[ast.AST]:
    """Return what stands in loops: a root taken a hundred times leaves nothing of a value."""
    loops = [node for node in ast.walk(function) if isinstance(node, (ast.For, ast.While))]
    return {node for loop in loops for statement in loop.body for node in ast.walk(statement)}


def _axes(function: ast.FunctionDef) -> set[ast.AST]:
    """Return the numbers that say where: in brackets, and as `dim` of a call."""
    found = set()
    for node in ast.walk(function):
        parts = [node.slice] if isinstance(node, ast.Subscript) else []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            parts += node.args if node.func.attr in _ALONG else []
            parts += [each.value for each in node.keywords if each.arg == "dim"]
        for part in parts:
            found |= {n for n in ast.walk(part) if isinstance(n, (ast.Constant, ast.UnaryOp))}
    return found


def _rank(words: str) -> int:
    """Return how late words are said: two changes may come to the same, and one is the plainer."""
    vague = words.startswith(
        ("a number", "something is squared", "a root too many", "in one place")
    )
    return 0 if words in _LOST.values() or ("stands where" in words and not vague) else 1 + vague


def _put(function: ast.FunctionDef, old: ast.AST, new: ast.AST) -> bool:
    """Put one node in the place of another; return whether it was there."""

    class Exchange(ast.NodeTransformer):
        done = False

        def visit(self, node: ast.AST) -> ast.AST:
            if node is old:
                self.done = True
                return new
            return self.generic_visit(node)

    exchange = Exchange()
    function.body = [exchange.visit(statement) for statement in function.body]
    return exchange.done


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _in_place_of(other: str, right: str, asked: list[str]) -> str:
    """Return words for a wrong name; what the solution calls its own parts nobody has heard of."""
    if right in asked:
        came = other if other in asked else "something made of the arguments"
        return f"in one place {came} stands where {right} belongs"
    came = other if other in asked else "another part"
    return f"in one place {came} stands where something that was made of the arguments belongs"


def _of(node: ast.AST, asked: list[str], made: list[str]) -> Iterator[Change]:
    """Yield what may go wrong at a node."""
    if isinstance(node, ast.BinOp):
        yield from _of_operators(node)
    elif isinstance(node, ast.Compare):
        for (kind, other), words in _ORDERS.items():
            if isinstance(node.ops[0], kind):
                yield words, lambda n, other=other: _with(n, ops=[other(), *n.ops[1:]])
    elif isinstance(node, ast.IfExp):
        yield (
            "two outcomes of a condition have changed places",
            lambda n: _with(n, body=n.orelse, orelse=n.body),
        )
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "a sign is missing", lambda n: n.operand
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "a condition is turned round", lambda n: n.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "a number in it is larger by one", lambda n: ast.Constant(n.value + 1)
        yield "a number in it is smaller by one", lambda n: ast.Constant(n.value - 1)
        yield "a number in it is twice as large", lambda n: ast.Constant(n.value * 2)
        yield "a number in it is half as large", lambda n: ast.Constant(n.value / 2)
    elif isinstance(node, ast.Name) and node.id in (*asked, *made) and not _is_stored(node):
        for other in (*asked, *made):
            if other != node.id:
                yield (
                    _in_place_of(other, node.id, asked),
                    lambda n, other=other: ast.Name(other, ast.Load()),
                )
    elif isinstance(node, (ast.Call, ast.Attribute)):
        yield from _of_calls(node)


def _of_operators(node: ast.BinOp) -> Iterator[Change]:
    for (kind, other), words in _OPERATORS.items():
        if isinstance(node.op, kind):
            yield words, lambda n, other=other: _with(n, op=other())
    if isinstance(node.op, (ast.Sub, ast.Div)):
        words = "a difference is taken" if isinstance(node.op, ast.Sub) else "a fraction stands"
        yield f"{words} the other way round", lambda n: _with(n, left=n.right, right=n.left)
    lost = {ast.Mult: "a factor", ast.Div: "a division", ast.Add: "a term", ast.Sub: "a term"}
    word = next((word for kind, word in lost.items() if isinstance(node.op, kind)), None)
    if isinstance(node.op, ast.Pow):
        yield "a power is missing (a square or a root)", lambda n: n.left
    elif word:
        yield f"{word} is missing", lambda n: n.left
        yield f"{word} is missing", lambda n: n.right
        for side in ("left", "right"):
            for power, name in ((0.5, "a root too many is taken"), (2, "something is squared")):
                yield (
                    f"{name}, and it should not be" if power == 2 else name,
                    lambda n, side=side, power=power: _with(
                        n, **{side: ast.BinOp(getattr(n, side), ast.Pow(), ast.Constant(power))}
                    ),
                )


def _of_calls(node: ast.Call | ast.Attribute) -> Iterator[Change]:
    if isinstance(node, ast.Attribute):
        if node.attr in ("T", "mT"):
            yield _LOST[node.attr], lambda n: n.value
        return
    called = node.func
    if isinstance(called, ast.Name) and called.id == "len":
        for step, words in ((1, "one too many"), (-1, "one too few")):
            yield (
                f"a length counts {words}",
                lambda n, step=step: ast.BinOp(n, ast.Add(), ast.Constant(step)),
            )
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    for other in _EXCHANGED.get(name, ()):
        yield f"{other} stands where {name} belongs", lambda n, o=other: _renamed(n, o)
    if name in _LOST:
        method = isinstance(called, ast.Attribute) and not _is_module(called.value)
        if method or node.args:
            yield _LOST[name], lambda n, m=method: n.func.value if m else n.args[0]


def _is_module(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("torch", "math")


def _renamed(node: ast.Call, name: str) -> ast.Call:
    if isinstance(node.func, ast.Attribute):
        return _with(node, func=_with(node.func, attr=name))
    return _with(node, func=ast.Name(name, ast.Load()))


def _with(node: ast.AST, **fields: object) -> ast.AST:
    """Return a node with some of its fields changed."""
    for field, value in fields.items():
        setattr(node, field, value)
    return node
