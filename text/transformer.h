#pragma once

#include "core/transformer.h"

namespace limn {

enum class Head {
  none,
  tied,  ///< hidden · word tableᵀ
  bert   ///< dense, activation, norm, word tableᵀ, bias (BERT's masked-language-model head)
};

struct TextConfig {
  std::int64_t vocab = 0, dim = 0, heads = 0, layers = 0, mlp = 0, positions = 0;
  std::int64_t context_dim = 0;  ///< width of the cross-attended source; 0: no cross-attention
  std::int64_t cross_from = 0;   ///< the first layer that cross-attends
  std::int64_t token_types = 0;  ///< rows of BERT's segment table; 0: none
  double eps = 0;
  bool causal = false;
  bool pre_norm = false;        ///< GPT-2, CLIP; BERT is post-norm
  bool embedding_norm = false;  ///< BERT's norm behind the embeddings
  bool final_norm = false;      ///< GPT-2's and CLIP's norm behind the blocks
  Activation activation = Activation::gelu;
  Head head = Head::none;
};

/// What a text transformer remembers between steps: one self and one cross cache per layer.
struct TextState {
  std::vector<KvCache> self, cross;
  std::int64_t length = 0;  ///< tokens seen; positions go on from here
  /// Rows `parents` [R'] go on. Cross caches hold one row per picture and are not touched: parents stay within a
  /// picture.
  void reorder(const Tensor& parents);
  /// Pictures that stay [P']: the cross caches' rows; reorder() is told of the rows that go with them.
  void keep_pictures(const Tensor& pictures);
};

struct TextCall {
  TextState* state = nullptr;  ///< decoding in steps
  Tensor context = {};         ///< [P S C] cross-attended tokens; R rows may share P sources (R a multiple of P)
  Tensor mask = {};            ///< bool, true = may attend, broadcastable to [B A T S]; instead of the causal rule
  Tensor positions = {};       ///< [B T] int64; default: counted on from the state's length
  Tensor token_types = {};     ///< [B T] int64; default 0
  bool words_only = false;     ///< end ahead of the first cross-attending layer: hidden states without the final norm
  double dropout = 0.0;
};

/// One text transformer for all families: encoder or decoder, with or without cross-attention, by options.
struct TextTransformer {
  TextConfig config;
  Embedding words;
  Tensor positions;    // [positions D]
  Tensor token_types;  // [types D] or undefined
  std::optional<LayerNorm> embedding_norm, final_norm;
  std::vector<Block> blocks;
  std::optional<Linear> head_dense;
  std::optional<LayerNorm> head_norm;
  Tensor head_bias;  // [V] or undefined
  /// Where the placement says int8, what a decoder with a head reads for each token lies in int8 rows; an encoder's
  /// products have both sides in eight bits.
  TextTransformer(const Weights& w, const TextConfig& c);

  /// @param ids  [B T] int64, below config.vocab. @return hidden states [B T D]
  /// @throws InputError when T exceeds the position table
  Tensor operator()(const Tensor& ids, const TextCall& call = {}) const;
  /// @param hidden  [... D] -> logits [... V]. @throws InputError where the configuration has no head
  Tensor logits(const Tensor& hidden) const;
};

}  // namespace limn
