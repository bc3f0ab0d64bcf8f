#pragma once

#include "fusion/model.h"
#include "text/transformer.h"
#include "vision/vit.h"

namespace limn {

/// Which of a text's tokens stands for the text.
enum class TextPool {
  first,
  last,      ///< filling included
  argmax,    ///< the first of the largest ids: CLIP's end mark is the last of its vocabulary
  end_token  ///< the first end mark; the first of all where there is none
};

/// The text side of a dual encoder: a transformer, one row of its answer, a projection.
struct TextTower {
  TextTransformer transformer;
  TextPool pool = TextPool::argmax;
  std::int64_t end = -1;                  ///< id of the end mark
  std::optional<Linear> projection = {};  ///< [D E]

  /// Texts as ids -> [texts E]. Rows of a causal transformer end, for what is computed, at the token that stands for
  /// them: it does not see what follows.
  Tensor operator()(const std::vector<std::vector<std::int64_t>>& rows) const;
};

/// The picture side: a ViT, what makes one row of its tokens, a projection.
struct PictureSide {
  Vit vit;
  std::function<Tensor(const Tensor& tokens)> pooled;  ///< [B T D] -> [B D]
  bool norm_after_pool = false;                        ///< pooled before the last norm instead of after it
  std::optional<Linear> projection = {};               ///< [D E]

  Tensor operator()(const Tensor& pixels) const;  // normalised [B 3 H W] -> [B E]
};

/// Gives a model its two towers: `pictures` and `embedder`, except scale, bias and probability.
/// @param encode  how the text tower wants its ids: cut, and filled up where the family does so
/// @return the embedder, to be completed
Embedder& set_towers(Model& model, const Preprocess& preprocess, const PictureSide& pictures, const TextTower& texts,
                     const Tokenizer& tokenizer, const EncodeOptions& encode);

}  // namespace limn
