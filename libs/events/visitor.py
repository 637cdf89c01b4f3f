"""Facts of a visitor's behaviour before and during a contact, told by channel adapters; key: visitor id."""

from typing import Annotated, ClassVar

from pydantic import Field

from libs.events.base import Fact, Id, Identity, Part, Short, Text


class _VisitorFact(Fact):
    visitor_id: Id

    @property
    def key(self) -> str:
        return self.visitor_id


class PageViewed(_VisitorFact):
    """A page of the web site was opened."""

    type: ClassVar[str] = "trunkline.visitor.page_viewed.v1"
    url: Annotated[str, Field(max_length=2048)]
    title: Short = ""
    referrer: Annotated[str, Field(max_length=2048)] = ""


class Searched(_VisitorFact):
    """The visitor searched the site or the app."""

    type: ClassVar[str] = "trunkline.visitor.searched.v1"
    query: Short
    results: Annotated[int, Field(ge=0)] = 0


class ScreenShown(_VisitorFact):
    """A screen of the app was shown."""

    type: ClassVar[str] = "trunkline.visitor.screen_shown.v1"
    screen: Short
    app: Short = ""


class ProductViewed(_VisitorFact):
    """A product was looked at."""

    type: ClassVar[str] = "trunkline.visitor.product_viewed.v1"
    product_id: Id
    name: Short = ""
    category: Short = ""


class BillViewed(_VisitorFact):
    """A bill was looked at."""

    type: ClassVar[str] = "trunkline.visitor.bill_viewed.v1"
    bill_id: Id
    period: Short = ""


class IdentifiedPii(Part):
    identities: Annotated[tuple[Identity, ...], Field(min_length=1, max_length=16)]


class Identified(_VisitorFact):
    """The visitor proved who he is, by logging in for instance."""

    type: ClassVar[str] = "trunkline.visitor.identified.v1"
    pii: IdentifiedPii


class Consented(_VisitorFact):
    """The visitor gave or withdrew consent for purposes such as "trail" or "marketing"."""

    type: ClassVar[str] = "trunkline.visitor.consented.v1"
    purposes: Annotated[tuple[Short, ...], Field(max_length=16)]
    granted: bool
    note: Text = ""
