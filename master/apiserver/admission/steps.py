"""The one list of the steps. A further step is a file, and a line here."""

from master.apiserver.admission.chain import Chain
from master.apiserver.admission.escalation import Escalation
from master.apiserver.authorization.authorizer import Authorizer


def chain_of(access: Authorizer) -> Chain:
    """The steps in the order in which they are asked."""
    return Chain([Escalation(access)])
