"""What modules export of other modules: how deep the engine would call itself to find where an export comes from.

Theory of operation. To find what a name is that a module has from others (ECMA-262, ResolveExport), the engine looks
through the modules of each ``export *`` in turn. It calls itself for each, and does not look at the stack there. It
ends where it comes to the same name of the same module again. So a circle of 1000 modules that ``export *`` each other,
and a hundred names that one of them has under other names from the first, take it 100,000 steps deep, and the process
ends by SIGSEGV. (``export { a } from`` takes no stack: that call is its last, and becomes a jump.)

So before the engine has any of it the steps are bounded by a number that is never too small. A way through the modules
comes to each part whose modules reach each other at most once; and so does the way through the names, which lead from
what is exported to what that is called where it comes from. So no way has more steps than there are modules with an
``export *`` on the longest way through these parts, times names on theirs. Real code has some ten of either.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

import attrs

from nano_trio.engine.bytecode_module import ModuleHead
from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import pause
from nano_trio.engine.resolution import ModuleError

__all__ = ["MOST_STEPS", "Handing", "refuse_deep"]

MOST_STEPS = 20_000
"""Of ``export *``, one within the other. Each takes 112 bytes of a stack of 8 MB, in our build of the engine."""


@attrs.frozen
class Handing:
    """What a module exports of others."""

    has_star: bool
    leads_to: tuple[str, ...]
    """Whence it has them."""
    renamed: tuple[tuple[str, str], ...]
    """Of these, what it exports under another name: that name, and the one there."""

    @classmethod
    def of(cls, head: ModuleHead, targets: list[str]) -> Handing:
        """Of one that imports these, by its requests."""
        return cls(head.has_star, tuple(targets[number] for number in head.hands_on), head.renamed)


@enters
def refuse_deep(modules: Mapping[str, Handing]) -> None:
    """Raises :class:`ModuleError` where there may be too many steps in an app that has these modules."""
    if not any(module.has_star for module in modules.values()):
        return
    names: dict[str, dict[str, None]] = {}
    for module in modules.values():
        pause()
        for exported, imported in module.renamed:
            names.setdefault(exported, {})[imported] = None
    # No `export *` hands on what is called "default".
    most_names, name = _longest(names, lambda each: each != "default")
    most_names = max(most_names, 1)
    if len(modules) * most_names <= MOST_STEPS:
        return
    leads_to = {each: module.leads_to for each, module in modules.items()}
    most_modules, file = _longest(leads_to, lambda each: each in modules and modules[each].has_star)
    if most_modules * most_names > MOST_STEPS:
        raise ModuleError(
            f'cannot load "{file}": to find what it exports may take {most_modules} modules with "export *", for each '
            f'of {most_names} names ("{name}" is the first): these are more than {MOST_STEPS} steps'
        )


@enters
def _longest(leads_to: Mapping[str, Collection[str]], counts: Callable[[str], bool]) -> tuple[int, str]:
    """How many places that count a way has at most which comes to each once, and where such a way begins.

    Of a part whose places reach each other a way may have all. Parts are found as by Tarjan ("Depth-first search and
    linear graph algorithms", 1972), each behind all that it leads to.
    """
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    entered: list[str] = []  # in parts that were not found yet
    entered_at: dict[str, int] = {}
    length: dict[str, int] = {}  # of ways that begin in a part that was found
    longest, where = 0, ""
    for root in leads_to:
        stack: list[tuple[str, Iterator[str]]] = []
        reached: str | None = root if root not in number else None
        while stack or reached is not None:
            pause()
            if reached is not None:
                number[reached] = lowest[reached] = len(number)
                entered_at[reached] = len(entered)
                entered.append(reached)
                stack.append((reached, iter(leads_to.get(reached, ()))))
                reached = None
            place, further = stack[-1]
            for each in further:
                if each not in number:
                    reached = each
                    break
                if each not in length:
                    lowest[place] = min(lowest[place], number[each])
            else:
                stack.pop()
                if stack:
                    before = stack[-1][0]
                    lowest[before] = min(lowest[before], lowest[place])
                if lowest[place] == number[place]:
                    part = entered[entered_at[place] :]
                    del entered[entered_at[place] :]
                    total = behind = 0
                    for each in part:
                        pause()
                        total += counts(each)
                        behind = max(behind, *(length.get(next_, 0) for next_ in leads_to.get(each, ())), 0)
                    total += behind
                    length.update(dict.fromkeys(part, total))
                    if total > longest:
                        longest, where = total, place
    return longest, where
