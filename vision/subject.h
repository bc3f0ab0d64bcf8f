#pragma once

#include "core/tensor.h"

namespace limn {

/// What stands out of a picture.
struct Subject {
  Tensor mask;            ///< float [H W] in 0..1, its border soft; all 0 where nothing stands out
  bool distinct = false;  ///< whole, compact, of middling size and away from the border: fit to be cut out unasked
};

/// Finds the subject by spectral residual and by contrast to the colours at the border, and its outline by GrabCut; the
/// largest piece counts. The same picture gives the same mask.
/// Sources: Hou and Zhang 2007, "Saliency Detection: A Spectral Residual Approach"; Rother et al. 2004, "GrabCut".
/// @param picture  uint8 [3 H W]
Subject find_subject(const Tensor& picture);

}  // namespace limn
