# SPDX-License-Identifier: Apache-2.0
"""Value change dumps (IEEE 1800-2017, 21.7.2), read strictly: what every viewer reads."""
KINDS = ("wire", "reg", "integer", "real", "parameter", "event")


def parse(text):
    """({"scope.name": width}, {time: {"scope.name": value}}) of a VCD text; a value is its binary digits, or a float.
    Values before the first time are those of time 0. ValueError where it is none."""
    words = iter(text.split())
    widths, names, changes, last, scopes = {}, {}, {}, -1, []
    for word in words:
        if word.startswith("$"):
            body = _body(word, words)
            if word == "$scope":
                scopes.append(body[1])
            elif word == "$upscope":
                scopes.pop()
            elif word == "$var":
                if body[0] not in KINDS:
                    raise ValueError(f"kind of variable: {body[0]}")
                names[body[2]] = ".".join(scopes[-1:] + [body[3]])
                widths[names[body[2]]] = int(body[1])
            elif word == "$timescale" and "".join(body).lstrip("10") not in ("s", "ms", "us", "ns", "ps", "fs"):
                raise ValueError(f"timescale: {body}")
        elif word[0] == "#":
            time = int(word[1:])
            if time <= last:
                raise ValueError(f"time {time} after {last}")
            last = time
            changes.setdefault(time, {})
        else:
            code, value = _value(word, words)
            if code not in names or isinstance(value, str) and len(value) > widths[names[code]]:
                raise ValueError(f"value {value} of {code}")
            changes.setdefault(max(last, 0), {})[names[code]] = value
    return widths, changes


def _body(word, words):
    body = []
    if word not in ("$dumpvars", "$dumpall", "$end"):
        for following in words:
            if following == "$end":
                break
            body.append(following)
    return body


def _value(word, words):
    if word[0] in "rR":
        return next(words), float(word[1:])
    if word[0] in "bB":
        value, code = word[1:], next(words)
    elif word[0] in "01xXzZ":
        value, code = word[0], word[1:]
    else:
        raise ValueError(f"neither time nor value: {word}")
    if set(value.lower()) - set("01xz"):
        raise ValueError(f"value {value} of {code}")
    return code, value


def samples(changes):
    """[(time, every signal's value at it)], in order."""
    held, all_samples = {}, []
    for time in sorted(changes):
        held = {**held, **changes[time]}
        all_samples.append((time, held))
    return all_samples
