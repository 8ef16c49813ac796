"""What a classifier sees of a box in a picture; cheap to import, since experiment files are checked by it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, FiniteFloat

from spine.core.problems import SpineError
from spine.core.strict import Strict

__all__ = ["WHOLE", "View"]


class View(Strict):
    """A member's own view of a box: how much around it, of what shape, and by which grey levels.

    `grow` is a share of the box's width and height, as a total, cut off at the picture's edges; null is as the dataset
    cut its crops; a picture that is no crop is the box. `aspect` keep letterboxes, stretch resizes both sides. `levels`
    crop normalises what is seen by itself, picture by the grey levels of the whole picture. With 3 `slices` the network
    sees the box in the slice before, in the picture and in the slice after, each normalised by itself, as three
    channels; the picture stands for a neighbour that is not there.
    """

    grow: FiniteFloat | None = Field(default=None, ge=0)
    aspect: Literal["keep", "stretch"] = "keep"
    levels: Literal["crop", "picture"] = "crop"
    slices: Literal[1, 3] = 1

    def of_cut(self, grow: float) -> View:
        """This view, of a network that knows no boxes, of what is cut out of a picture for it, grown by `grow`."""
        return self.model_copy(update={"grow": grow, "levels": "crop"})

    def of_crops(self, grow: float | None, lost_pictures: bool, has_neighbours: bool) -> View:
        """This view of a dataset whose crops are boxes grown by `grow`; None where that is not told, or it has none.

        SpineError where crops `lost` their `pictures`, and the view needs more of them than the crops, or where it
        needs the slices next to a picture, and none has any.
        """
        if self.slices > 1 and not has_neighbours:
            raise SpineError(
                f"view asks for slices: {self.slices}, but no picture of the dataset has a slice next to it: say how "
                "slices are told in `series` of its sources, and build the dataset again with `spine data build CONFIG`"
            )
        if lost_pictures and (self.grow is not None or self.levels == "picture"):
            asked = f"grow: {self.grow:g}" if self.grow is not None else "levels: picture"
            raise SpineError(
                f"view asks for {asked}, but the dataset holds crops without the pictures that they were cut out of, "
                "as older versions built them; build the dataset again with `spine data build CONFIG`"
            )
        return self if self.grow is not None else self.model_copy(update={"grow": grow})


WHOLE = View()  # of pictures alone
