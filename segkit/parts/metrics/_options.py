"""Option types of the metrics. No torch: the registry reads them."""

from typing import Annotated

from pydantic import Field

Threshold = Annotated[float, Field(gt=0, lt=1)]
Classes = tuple[str, ...] | None
