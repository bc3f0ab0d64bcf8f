#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "fusion/stylizer.h"

namespace limn {

/// Where each pixel of a frame lies in another: uint8 [H W] grey each -> float [2 H W], x and y in pixels.
using FlowFinder = std::function<Tensor(const Tensor& frame, const Tensor& other)>;

/// A picture's value at places of another. @param x  float [1 C H W]. @param flow  float [2 H W], as FlowFinder gives
/// it
/// @param smooth  bicubic instead of bilinear: what is carried on from frame to frame stays sharper
Tensor warped(const Tensor& x, const Tensor& flow, bool smooth = false);

/// How surely each place of a frame is known from the one before, in 0..1: 1 where the flow to it and back ends where
/// it began (Sundaram et al. 2010) and the frames look alike there. [1 1 H W]
/// @param now, before  uint8 [H W] grey
Tensor sureness(const Tensor& now, const Tensor& before, const Tensor& to_before, const Tensor& from_before);

struct SteadyOptions {
  double pace = 0.2;     ///< share by which the content's statistics move towards each frame's own
  double follow = 0.75;  ///< share of the frame before, moved with the picture, where it is surely known
  bool steady = true;    ///< false: every frame for itself
};

/// Paints a clip's frames one after the other so that it does not flicker: the statistics by which the content is
/// normalised and shares are met change slowly, and each frame goes on from the one before along the optical flow. A
/// cut begins anew.
class SteadyPainter {
 public:
  SteadyPainter(const Stylizer& stylizer, FlowFinder flow, SteadyOptions options = {});

  /// The next frame, all of one size, as `stylize` paints a canvas. @param frame  uint8 [3 H W]
  Stylized operator()(const Tensor& frame, const std::vector<StyleItem>& styles, StylizeOptions options = {});
  std::int64_t scenes() const { return scenes_; }  ///< begun so far

 private:
  Tensor carried(const Tensor& grey);

  const Stylizer& stylizer_;
  FlowFinder flow_;
  SteadyOptions options_;
  std::map<std::string, Tensor> settled_;  // by name
  Tensor grey_, painted_;                  // of the frame before: uint8 [H W], float [1 3 H W] in 0..255
  std::int64_t scenes_ = 0;
};

}  // namespace limn
