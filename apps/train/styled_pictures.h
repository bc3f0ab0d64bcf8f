#pragma once

#include <functional>

#include "apps/train/config.h"
#include "apps/train/data.h"

namespace limn {

/// Pictures that are captioned by how they look, so that a dual encoder learns colours, patterns and media: styles
/// drawn after descriptions and, with a painter, every other time a photo painted in such a style. Each has one caption
/// a language. They are written into a folder of their own below `run` and found again there.
/// @param photos  what is painted. @param progress  told how many are done. @param stop  true: give up
/// @return nothing where it was stopped
std::vector<CaptionRecord> styled_pictures(const StyledTraining& wish, const std::vector<CaptionRecord>& photos,
                                           const std::filesystem::path& run, std::uint64_t seed,
                                           const std::function<void(std::int64_t done)>& progress,
                                           const std::function<bool()>& stop);

}  // namespace limn
