"""Who someone is (``authentication.k8s.io/v1``): reviews and requests of tokens. Nothing here is stored."""

from typing import Annotated

import msgspec

from api.meta import Object
from api.scalars import Int64, Time
from api.struct import F, Struct, always

GROUP = "authentication.k8s.io"


class UserInfo(Struct):
    """A user as the API server knows them."""

    username: Annotated[str, F(1, "The name.")] = ""
    uid: Annotated[str, F(2, "Unique in time.")] = ""
    groups: Annotated[list[str], F(3, "Groups of the user.")] = []
    extra: Annotated[dict[str, list[str]], F(4, "Whatever else the authenticator said.")] = {}


class TokenReviewSpec(Struct):
    """The token in question."""

    token: Annotated[str, F(1, "The bearer token.", required=True, listed=False)] = ""
    audiences: Annotated[list[str], F(2, "For whom it should be.")] = []


class TokenReviewStatus(Struct):
    """Whose token it is."""

    authenticated: Annotated[bool, F(1, "Whether the token is good.")] = False
    user: Annotated[UserInfo, F(2, "Whose it is.")] = always(UserInfo)
    audiences: Annotated[list[str], F(4, "For whom it is.")] = []
    error: Annotated[str, F(3, "Why it could not be judged.")] = ""


class TokenReview(Object):
    """Asks whose token this is."""

    spec: Annotated[TokenReviewSpec, F(2, "The token.", listed=True)] = msgspec.field(default_factory=TokenReviewSpec)
    status: Annotated[TokenReviewStatus, F(3, "The answer.")] = msgspec.field(default_factory=TokenReviewStatus)


class SelfSubjectReviewStatus(Struct):
    """Who is asking."""

    user_info: Annotated[UserInfo | None, F(1, "The user.")] = None


class SelfSubjectReview(Object):
    """Asks who the asker is."""

    status: Annotated[SelfSubjectReviewStatus, F(2, "The answer.")] = msgspec.field(
        default_factory=SelfSubjectReviewStatus
    )


class BoundObjectReference(Struct):
    """The object with which a token lives and dies."""

    kind: Annotated[str, F(1, "Pod or Secret.")] = ""
    api_version: Annotated[str, F(2, "Its version.")] = ""
    name: Annotated[str, F(3, "Its name.")] = ""
    uid: Annotated[str, F(4, "Its UID.")] = ""


class TokenRequestSpec(Struct):
    """The token that is wanted."""

    audiences: Annotated[list[str], F(1, "For whom; the API server by default.", listed=True)] = []
    expiration_seconds: Annotated[Int64 | None, F(4, "How long it is good.", default=3600, minimum=600)] = None
    bound_object_ref: Annotated[BoundObjectReference | None, F(3, "With what it lives and dies.")] = None


class TokenRequestStatus(Struct):
    """The token."""

    token: Annotated[str, F(1, "The bearer token.", listed=True)] = ""
    expiration_timestamp: Annotated[Time | None, F(2, "Until when it is good.", listed=True)] = None


class TokenRequest(Object):
    """Asks for a token of a service account."""

    spec: Annotated[TokenRequestSpec, F(2, "What is wanted.", listed=True)] = msgspec.field(
        default_factory=TokenRequestSpec
    )
    status: Annotated[TokenRequestStatus, F(3, "The answer.")] = msgspec.field(default_factory=TokenRequestStatus)
