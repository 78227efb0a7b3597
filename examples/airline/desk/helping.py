"""What an agent does beside the shop's data."""

import ast
import operator

_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


def calculate(expression):
    """The value of a sum of numbers, rounded to cents."""
    try:
        return str(round(float(_value(ast.parse(expression, mode="eval").body)), 2))
    except (SyntaxError, KeyError, TypeError, RecursionError, ZeroDivisionError):
        raise ValueError("Invalid characters in expression") from None


def transfer_to_human_agents(summary):
    """Hand the customer over to a person, who reads the summary first."""
    return "Transfer successful"


def think(thought):
    """Note a thought; it changes nothing."""
    return ""


def _value(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_value(node.operand))
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    raise TypeError(type(node).__name__)
