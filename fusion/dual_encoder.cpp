#include "fusion/dual_encoder.h"

#include <algorithm>

#include "core/ops.h"
#include "text/batch.h"

namespace limn {

namespace {

std::int64_t pooled_position(const std::vector<std::int64_t>& row, TextPool pool, std::int64_t end) {
  switch (pool) {
    case TextPool::first:
      return 0;
    case TextPool::last:
      return static_cast<std::int64_t>(row.size()) - 1;
    case TextPool::argmax:
      return std::max_element(row.begin(), row.end()) - row.begin();
    case TextPool::end_token:
      break;
  }
  const auto found = std::find(row.begin(), row.end(), end);
  return found == row.end() ? 0 : found - row.begin();
}

}  // namespace

Tensor TextTower::operator()(const std::vector<std::vector<std::int64_t>>& rows) const {
  const bool causal = transformer.config.causal;
  std::vector<std::vector<std::int64_t>> read = rows;
  std::vector<std::int64_t> positions;
  for (std::vector<std::int64_t>& row : read) {
    positions.push_back(pooled_position(row, pool, end));
    if (causal) row.resize(static_cast<std::size_t>(positions.back()) + 1);
  }
  const Tensor& words = transformer.words.weight;
  const Tensor embedding = in_batches(read, 0, words.device(), [&](const TextBatch& batch) {
    const Tensor hidden = transformer(batch.ids, {.mask = causal ? Tensor() : batch.mask()});  // [B T D]
    std::vector<std::int64_t> at;
    for (const std::size_t index : batch.indices) at.push_back(positions[index]);
    const at::TensorOptions place = batch.lengths.options();
    const Tensor row_ids = at::arange(hidden.size(0), place);
    const Tensor chosen = hidden.index({row_ids, at::tensor(at, at::kLong).to(place.device())});  // [B D]
    return projection ? (*projection)(chosen) : chosen;
  });
  const std::int64_t width = projection ? projection->width : transformer.config.dim;
  return rows.empty() ? at::empty({0, width}, words.options()) : embedding;
}

Tensor PictureSide::operator()(const Tensor& pixels) const {
  const Tensor tokens = vit.tokens(pixels);  // [B T D]
  const Tensor row = norm_after_pool ? vit.norm(pooled(tokens)) : pooled(vit.norm(tokens));
  return projection ? (*projection)(row) : row;
}

Embedder& set_towers(Model& model, const Preprocess& preprocess, const PictureSide& pictures, const TextTower& texts,
                     const Tokenizer& tokenizer, const EncodeOptions& encode) {
  model.pictures = PictureTower{preprocess, [vit = pictures.vit](const Tensor& pixels) { return vit(pixels); },
                                pictures.norm_after_pool ? nullptr : pictures.pooled,
                                [vit = pictures.vit](const Tensor& pixels) { return vit.tokens(pixels); }};
  const auto ids = [tokenizer, encode](const std::string& text) { return tokenizer.encode(text, encode); };
  model.embedder = Embedder{.preprocess = preprocess,
                            .image = pictures,
                            .text =
                                [texts, ids](const std::vector<std::string>& lines) {
                                  std::vector<std::vector<std::int64_t>> rows;
                                  for (const std::string& line : lines) rows.push_back(ids(line));
                                  return texts(rows);
                                },
                            .ids = ids,
                            .text_of_ids = texts,
                            .tokenizer = tokenizer,
                            .longest = encode.max_length,
                            .width = texts.projection ? texts.projection->width : texts.transformer.config.dim,
                            .placement = model.placement};
  return *model.embedder;
}

}  // namespace limn
