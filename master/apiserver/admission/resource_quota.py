"""No namespace uses more than its quotas allow."""

import time
import uuid
from collections.abc import Mapping
from decimal import Decimal

from api.core import Pod
from api.pod_resources import quantity
from master.apiserver.admission.chain import Step, Write, forbidden
from master.apiserver.admission.quota_books import UNCOUNTED, Account, Book, Books, Rise
from master.apiserver.admission.quota_ledger import QuotaLedger
from master.apiserver.admission.quota_usage import Usage, measured, unnamed
from master.apiserver.cache import Cache
from master.apiserver.reservation import Reservation


class ResourceQuotaStep(Step):
    """Checks every write that uses more than before; comes last, for it takes what it admits."""

    name = "ResourceQuota"

    def __init__(self, cache: Cache, books: Books, ledger: QuotaLedger | None = None) -> None:
        """``ledger``: where several masters tell each other what they admit; None for one master."""
        self._cache = cache
        self._books = books
        self._ledger = ledger

    def check(self, write: Write, taken: Reservation) -> None:
        """Raises Forbidden."""
        book = self._books.of(write.namespace) if write.namespace else None
        if book is None or write.resource.qualified in UNCOUNTED:
            return
        new = measured(write.resource, write.new)
        old = measured(write.resource, write.old) if write.old is not None else None
        rise = Rise(write.new.metadata.uid, {})
        for name, account in sorted(book.accounts.items()):
            if old is None and isinstance(write.new, Pod) and account.limits.counts(new):
                _check_named(write, write.new, account)
            more = _more(account.limits.usage(new), account.limits.usage(old))
            if more:
                _check_room(write, book, account, more)
                rise.by_quota[name] = more
        if rise.by_quota and not write.dry_run:
            book.rises.append(rise)
            taken.on_failure(lambda: _give_back(book, rise))
            if self._ledger is not None:
                self._note(self._ledger, write, rise, taken)

    def _note(self, ledger: QuotaLedger, write: Write, rise: Rise, taken: Reservation) -> None:
        table, old = self._cache.table(write.resource), write.old
        rise.id, rise.at = uuid.uuid4().hex, time.time()
        rise.key = table.key(write.namespace, write.new.metadata.name)
        rise.base = int(old.metadata.resource_version) if old is not None else 0
        taken.on_failure(lambda: ledger.cancel(write.namespace, rise), settled=True)
        taken.confirm = lambda: ledger.note(write.namespace, rise, lambda: self._check_again(write, rise))

    def _check_again(self, write: Write, rise: Rise) -> None:
        """With what other masters have admitted meanwhile. Raises Forbidden."""
        book = self._books.of(write.namespace)
        if book is None:
            return
        book.rises, before = [one for one in book.rises if one is not rise], book.rises
        try:
            for name, more in sorted(rise.by_quota.items()):
                if (account := book.accounts.get(name)) is not None:
                    _check_room(write, book, account, more)
        finally:
            book.rises = before


def _give_back(book: Book, rise: Rise) -> None:
    """The commit may have been counted meanwhile; then there is nothing left to give back."""
    book.rises = [one for one in book.rises if one is not rise]


def _more(new: Usage, old: Usage) -> Usage:
    rises = {name: amount - old.get(name, Decimal(0)) for name, amount in new.items()}
    return {name: amount for name, amount in rises.items() if amount > 0}


def _check_named(write: Write, pod: Pod, account: Account) -> None:
    missing = unnamed(pod, account.limits)
    if missing:
        raise forbidden(write, f"failed quota: {account.limits.name}: must specify {'; '.join(missing)}")


def _check_room(write: Write, book: Book, account: Account, more: Usage) -> None:
    used, hard = book.taken(account), account.limits.hard
    over = [name for name, amount in more.items() if used.get(name, Decimal(0)) + amount > hard[name]]
    if over:
        told = f"requested: {_shown(more, over)}, used: {_shown(used, over)}, limited: {_shown(hard, over)}"
        raise forbidden(write, f"exceeded quota: {account.limits.name}, {told}")


def _shown(amounts: Mapping[str, Decimal], names: list[str]) -> str:
    return ",".join(f"{name}={quantity(name, amounts.get(name, Decimal(0)))}" for name in sorted(names))
