"""Options that smp's decoders share. No torch: the registry reads them."""

from typing import Annotated, Literal

from pydantic import Field

Width = Annotated[int, Field(ge=1, le=65536)]
OfGroups = Annotated[int, Field(ge=32, le=65536, multiple_of=32)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Norm = Literal["batchnorm", "instancenorm", "identity"]
Attention = Literal["scse"] | None
Upsampling = Literal["nearest", "bilinear"]
Rates = tuple[Width, Width, Width]
