"""Option types of the optimisers. No torch: the registry reads them."""

from typing import Annotated

from pydantic import Field

Rate = Annotated[float, Field(gt=0)]
Decay = Annotated[float, Field(ge=0)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Betas = tuple[Beta, Beta]
