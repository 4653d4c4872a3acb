"""What other masters promised counts until it is overdue, by the clock that the books were given."""

from decimal import Decimal

from api.core.quota import ResourceQuotaSpec
from master.apiserver.admission.quota_books import ORPHAN_S, Account, Book, Rise
from master.apiserver.admission.quota_usage import limits_of


def test_an_orphan_counts_until_it_is_overdue() -> None:
    now = 1000.0
    account = Account(limits_of("q", ResourceQuotaSpec()))
    noted = Rise("u", {"q": {"pods": Decimal(1)}}, id="w", at=now)
    book = Book(lambda: now, accounts={"q": account}, noted={"w": noted})
    assert book.taken(account) == {"pods": 1}
    now += ORPHAN_S
    assert book.taken(account) == {}
