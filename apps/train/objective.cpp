#include "apps/train/objective.h"

#include "core/ops.h"

namespace limn {

namespace {

Tensor unit_rows(const Tensor& x) { return x / x.norm(2, {-1}, true).clamp_min(1e-6); }

// Both directions; a picture has several right captions, so its term is the share of all of them together.
Tensor contrastive_loss(const HouseModel& model, const Tensor& tokens, const Tensor& words, const PackedBatch& batch) {
  const Tensor pictures = unit_rows((*model.image_projection)(tokens.mean(1)));                               // [B E]
  const Tensor texts = unit_rows((*model.text_projection)(words.flatten(0, 1).index_select(0, batch.ends)));  // [G E]
  const Tensor scores =
      (at::matmul(texts, pictures.t()) * model.logit_scale.clamp(0.0, 4.6).exp()).to(at::kFloat);  // [G B]
  const Tensor own = batch.picture.unsqueeze(1) == at::arange(pictures.size(0), batch.picture.options()).unsqueeze(0);
  const Tensor to_picture = at::cross_entropy_loss(scores, batch.picture);
  const Tensor right = scores.masked_fill(own.logical_not(), -INFINITY).logsumexp({0});  // [B]
  return 0.5 * (to_picture + (scores.logsumexp({0}) - right).mean());
}

}  // namespace

Losses caption_losses(const HouseModel& model, const Tensor& grid, const PackedBatch& batch, const TrainConfig& config,
                      bool training) {
  const double dropout = training ? config.dropout : 0.0;
  const Tensor tokens = model.vision.tokens(grid, dropout);  // [B N D]
  Tensor words;
  const Tensor hidden = model.text(
      batch.ids,
      {.context = tokens, .mask = batch.mask, .positions = batch.positions, .words_only = &words, .dropout = dropout});
  const Tensor logits = model.text.logits(hidden.flatten(0, 1).index_select(0, batch.rows)).to(at::kFloat);  // [M V]
  Losses losses;
  const Tensor caption = at::cross_entropy_loss(logits, batch.targets, {}, 1, -100, training ? config.smoothing : 0.0);
  losses.caption = caption.item<double>();
  losses.total = config.caption_weight * caption;
  if (config.contrast_weight > 0 && model.image_projection) {
    const Tensor contrast = contrastive_loss(model, tokens, words, batch);
    losses.contrast = contrast.item<double>();
    losses.total = losses.total + config.contrast_weight * contrast;
  }
  return losses;
}

}  // namespace limn
