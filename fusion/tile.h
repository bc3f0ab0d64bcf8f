#pragma once

#include "fusion/stylizer.h"

namespace limn {

inline constexpr std::int64_t kTileStep =
    8;  ///< a tile's sides are multiples of it: of the places that models tell apart

/// The picture without what makes its borders unequal: a smooth picture is taken away from it so that left goes on to
/// right and top to bottom. Source: Moisan 2011, Periodic plus smooth image decomposition.
/// @param picture  uint8 [3 H W]. @return the same
Tensor periodic_part(const Tensor& picture);

/// Paints a canvas so that it may be laid beside itself without a seam: its periodic part is painted as if it went on
/// for ever.
/// @param canvas  uint8 [3 H W], sides multiples of kTileStep
/// @throws InputError as `stylize` does
Stylized stylize_tile(const Stylizer& stylizer, const Tensor& canvas, std::vector<StyleItem> styles,
                      StylizeOptions options = {});

}  // namespace limn
