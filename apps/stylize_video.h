#pragma once

#include "apps/stylize.h"
#include "fusion/stylizer.h"

namespace limn {

/// Whether this content is a clip or a camera ("camera:0").
bool is_clip(const std::filesystem::path& content);

/// Paints a clip frame by frame into another of the same size and rate, without its sound. Ctrl-C ends it: the frames
/// that are painted then make a whole clip.
/// @param styles  without masks
/// @return exit code: 1 where the clip ended long before it says
int paint_clip(const StylizeCommand& command, const Stylizer& stylizer, std::vector<StyleItem> styles,
               std::ostream& out, std::ostream& notes);

/// Shares at a moment of a clip: from `from` to `to` in even steps. @param moment  0: the first frame, 1: the last
std::vector<double> shares_between(const std::vector<double>& from, const std::vector<double>& to, double moment);

}  // namespace limn
