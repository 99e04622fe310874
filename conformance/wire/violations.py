"""Ways to break what a model asks of an input, one at a time."""

import re

#: Structures below the input whose members are broken too.
DEPTH_MAX = 2
#: Longest text and most items that are made to be too long.
LONG_MAX = 4000
#: Texts that few patterns match.
ODD = ("!", "é", " ", "a b", "\t", "_", "x" * 70, "0")


def violations(shape, values, protocol):
    """(member, words of the refusal, input) for an input shape."""
    for name, words, value in broken(shape, values, protocol, 0):
        if value is not None:
            yield name, words, value


def broken(shape, values, protocol, depth):
    """(member or None, words, a value of this shape that breaks one constraint)."""
    kind = shape.type_name
    if kind == "structure":
        yield from in_structure(shape, values, protocol, depth)
    elif kind == "list":
        yield from by_size(shape, values, protocol)
        for name, words, item in broken(shape.member, values, protocol, depth):
            yield name, words, [item]
    elif kind in ("integer", "long", "float", "double"):
        yield from out_of_range(shape)
    elif kind == "string":
        yield from odd_texts(shape)


def in_structure(shape, values, protocol, depth):
    if depth > DEPTH_MAX or getattr(shape, "is_eventstream", False):
        return
    union = getattr(shape, "is_tagged_union", False)
    base = {} if union else values.of(shape, depth)
    for name in shape.required_members:
        member = shape.members[name]
        bound = member.serialization.get("location") == "uri"
        without = {key: value for key, value in base.items() if key != name}
        # A structure without any member cannot be told from one that is not there.
        if not bound and not union and (without or not depth) and not streams(member):
            if not is_told_apart(shape, name):
                yield name, "Member must not be null", without
    for name, member in shape.members.items():
        if streams(member) or member.serialization.get("location") in ("uri", "header", "headers"):
            continue
        for inner, words, value in broken(member, values, protocol, depth + 1):
            yield inner or name, words, {**base, name: value}


def is_told_apart(shape, name):
    """Whether another operation is meant where this member is not there."""
    return shape.members[name].serialization.get("location") in ("querystring", "header")


def streams(member):
    return member.serialization.get("streaming") or member.serialization.get("eventstream")


def by_size(shape, values, protocol):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low and int(low) > 0 and protocol in ("json", "rest-json", "smithy-rpc-v2-cbor"):
        if not shape.serialization.get("location"):
            yield None, f"Member must have length greater than or equal to {int(low)}", []
    if high is not None and int(high) < 200:
        item = values.of(shape.member, 1)
        if item not in (None, {}):
            too_many = [item] * (int(high) + 1)
            yield None, f"Member must have length less than or equal to {int(high)}", too_many


def out_of_range(shape):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None:
        yield None, f"Member must have value greater than or equal to {int(low)}", int(low) - 1
    if high is not None and int(high) < 2**31 - 1:
        yield None, f"Member must have value less than or equal to {int(high)}", int(high) + 1


def odd_texts(shape):
    if shape.enum:
        yield None, "Member must satisfy enum value set", "no-such-value"
        return
    low, high = int(shape.metadata.get("min", 0)), shape.metadata.get("max")
    if low > 1:
        yield None, f"Member must have length greater than or equal to {low}", "x" * (low - 1)
    if high is not None and int(high) < LONG_MAX:
        too_long = "x" * (int(high) + 1)
        yield None, f"Member must have length less than or equal to {int(high)}", too_long
    pattern = shape.metadata.get("pattern")
    if pattern and (text := mismatch(pattern)):
        yield None, "Member must satisfy regular expression pattern", text


def mismatch(pattern):
    """A text that a pattern does not match, if one is at hand."""
    python = pattern.replace(r"\p{L}", "a-zA-Zé").replace(r"\p{N}", "0-9").replace(r"\p{Z}", " ")
    try:
        compiled = re.compile(f"(?:{python})")
    except re.error:
        return None
    return next((text for text in ODD if not compiled.fullmatch(text)), None)
