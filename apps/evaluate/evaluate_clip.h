#pragma once

#include <filesystem>
#include <iosfwd>

#include "apps/run.h"

namespace limn {

/// What `limn evaluate clip` is told.
struct EvaluateClipOptions {
  CommonOptions common;
  std::filesystem::path clip;   ///< or a picture: five seconds over which a window and an oval cut out of it move
  std::filesystem::path style;  ///< a picture
  std::int64_t frames = 0;      ///< only so many; 0: all
  bool json = false;
};

/// Judges how steady a painted clip is, frame by frame and with steadiness. Warp error: how far a frame is from the one
/// before, moved along the optical flow of the clip itself, where that is sure; the clip's own is told beside it.
/// Flicker: a still picture and the same with noise of deviation 2 of 255, painted one after the other: their distance
/// over that of the pictures. Source: Lai et al. 2018, https://arxiv.org/abs/1808.00449, for the warp error.
int evaluate_clip(const EvaluateClipOptions& options, std::ostream& out, std::ostream& notes);

}  // namespace limn
