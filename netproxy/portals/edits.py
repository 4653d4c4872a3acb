"""Text between rules as values and iptables: what `iptables-save` shows, what `iptables-restore --noflush` is given.

Pure. Only what changed is told: rules of one chain that stay in their order are left where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from netproxy.portals.rules import Ruleset, chains_of


@dataclass(frozen=True, slots=True)
class Found:
    """Our part of what `iptables-save -t nat` shows."""

    chains: frozenset[str]
    rules: tuple[str, ...]
    """Chain by chain, in the order of the chains' names."""
    jumps: tuple[str, ...]
    """Lines in the built-in chains that jump into ours."""

    def has_jump(self, builtin: str, chain: str) -> bool:
        """Whether the built-in chain leads to ours without a condition."""
        return f"-A {builtin} -j {chain}" in self.jumps

    def is_whole(self, ruleset: Ruleset) -> bool:
        """Whether this may be what came of the ruleset: iptables may write a rule in other words."""
        jumps = all(self.has_jump(*jump) for jump in ruleset.jumps)
        return jumps and len(self.rules) == len(ruleset.rules) and self.chains == set(ruleset.chains)


def expected(ruleset: Ruleset) -> Found:
    """What is found when iptables shows the ruleset in our own words, and nothing else."""
    jumps = sorted(f"-A {builtin} -j {chain}" for builtin, chain in ruleset.jumps)
    return Found(frozenset(ruleset.chains), _by_chain(ruleset.rules), tuple(jumps))


def find(saved: str, prefix: str) -> Found:
    """Pick our part out of the text of `iptables-save -t nat`."""
    own = set(chains_of(prefix))
    chains, rules, jumps = [], [], []
    for line in saved.splitlines():
        words = line.split()
        if line.startswith(":") and words[0][1:] in own:
            chains.append(words[0][1:])
        elif line.startswith("-A ") and words[1] in own:
            rules.append(line)
        elif line.startswith("-A ") and _target(words) in own:
            jumps.append(line)
    return Found(frozenset(chains), _by_chain(rules), tuple(sorted(jumps)))


def whole_text(ruleset: Ruleset, missing_jumps: Iterable[tuple[str, str]]) -> str:
    """Our chains anew, everything else untouched.

    The jumps come first in their chains: what other programs redirect on the same addresses must not hide services.
    """
    lines = ["*nat", *(f":{chain} - [0:0]" for chain in ruleset.chains)]
    lines += [f"-I {builtin} 1 -j {chain}" for builtin, chain in missing_jumps]
    return "\n".join([*lines, *ruleset.rules, "COMMIT", ""])


def changes_text(old: Ruleset, new: Ruleset) -> str | None:
    """From one ruleset to the next; None when that is not simpler than the whole."""
    lines: list[str] = []
    for chain in new.chains:
        edit = _edit(chain, _of_chain(old, chain), _of_chain(new, chain))
        if edit is None:
            return None
        lines += edit
    if old.chains != new.chains or old.jumps != new.jumps or len(lines) > len(new.rules) // 2:
        return None
    return "\n".join(["*nat", *lines, "COMMIT", ""])


def removal_text(prefix: str, found: Found) -> str:
    """Takes out our jumps and chains."""
    mine = [chain for chain in chains_of(prefix) if chain in found.chains]
    lines = ["*nat", *(f":{chain} - [0:0]" for chain in mine)]
    lines += [line.replace("-A ", "-D ", 1) for line in found.jumps]
    lines += [f"-X {chain}" for chain in mine]
    return "\n".join([*lines, "COMMIT", ""])


def _edit(chain: str, old: Sequence[str], new: Sequence[str]) -> list[str] | None:
    """Deletions by number from the end on, then insertions by number from the start on; None: the order changed."""
    before, after = set(old), set(new)
    if len(before) < len(old) or len(after) < len(new):
        return None
    if [rule for rule in old if rule in after] != [rule for rule in new if rule in before]:
        return None
    gone = [f"-D {chain} {number}" for number, rule in enumerate(old, 1) if rule not in after]
    fresh = [
        rule.replace(f"-A {chain} ", f"-I {chain} {number} ", 1)
        for number, rule in enumerate(new, 1)
        if rule not in before
    ]
    return [*reversed(gone), *fresh]


def _of_chain(ruleset: Ruleset, chain: str) -> list[str]:
    start = f"-A {chain} "
    return [rule for rule in ruleset.rules if rule.startswith(start)]


def _by_chain(rules: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(rules, key=lambda rule: rule.split(None, 2)[1]))


def _target(words: list[str]) -> str:
    return words[words.index("-j") + 1] if "-j" in words else ""
