#pragma once

#include "apps/train/batch.h"
#include "apps/train/config.h"

namespace limn {

struct Losses {
  Tensor total;         ///< what is minimised
  double caption = 0;   ///< mean negative log-likelihood per token, smoothing included
  double contrast = 0;  ///< 0 where it is off
};

/// Caption loss (label smoothing: Szegedy et al. 2016) and, beside it, the contrastive loss over the batch, where every
/// caption of a picture is a positive of it.
/// @param grid  [B h w C] of the stem, one row per picture of `batch`
Losses caption_losses(const HouseModel& model, const Tensor& grid, const PackedBatch& batch, const TrainConfig& config,
                      bool training);

}  // namespace limn
