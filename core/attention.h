#pragma once

#include "core/layers.h"

namespace limn {

/// Keys and values of the tokens seen so far. Self-attention appends to it; cross-attention fills it once.
/// Room is allocated ahead, so appending copies only the new rows.
struct KvCache {
  Tensor k, v;                              // [R A capacity K]
  std::int64_t length = 0;                  // rows in use
  std::optional<at::ScalarType> type = {};  // of what is kept; otherwise the first rows'

  /// Allocates so that `added` rows more fit behind those in use.
  void make_room(std::int64_t added);
  /// Appends [R A T K] and returns what is there now, [R A length K] twice.
  std::pair<Tensor, Tensor> append(const Tensor& new_k, const Tensor& new_v);
  /// The rows in `parents` [R'] take their place: beams that go on. A copy of the used part.
  void reorder(const Tensor& parents);
  bool filled() const { return length > 0; }
};

struct AttendOptions {
  bool causal = false;        ///< token t sees sources up to S - T + t (lower-right aligned, so a cache is counted in)
  Tensor mask = {};           ///< bool, true = may attend, broadcastable to [B A T S]; not together with causal
  Tensor bias = {};           ///< added to the scores, broadcastable to [B A T S]; not together with causal or mask
  double dropout = 0.0;       ///< of attention weights, in training
  Tensor* weights = nullptr;  ///< if given, receives the attention weights [B A T S]; slower
  Tensor* log_sum = nullptr;  ///< if given, receives log(sum(exp(scores))) [B A T], by which parts are merged; slower
};

/// softmax(Q Kᵀ / √K) V: the only one in the tree. q [R A T K], k and v [P A S K] -> [R A T K] in q's type; values may
/// have a width of their own.
/// R may be a multiple of P (beams, several captions of one picture): row r attends to source r / (R / P),
/// and the sources are not copied. A row with nothing to attend to gives zeros.
/// Source: Vaswani et al. 2017, section 3.2.1.
Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, const AttendOptions& options = {});

struct AttentionCall {
  Tensor context = {};  ///< cross: [P S C]; may be undefined once the cache is filled
  KvCache* cache = nullptr;
  AttendOptions options = {};
};

/// Multi-head attention with its projections: self (one stacked qkv product) or cross (q, and stacked kv of the
/// context).
struct Attention {
  std::int64_t heads;
  std::vector<Linear> in;  // self: {qkv [3D D]}; cross: {q [D D], kv [2D C]}
  Linear out;              // [D D]

  /// @param context_dim  width of what is attended to; 0: self-attention
  Attention(const Weights& w, std::int64_t dim, std::int64_t heads, std::int64_t context_dim = 0);
  Tensor operator()(const Tensor& x, const AttentionCall& call = {}) const;  // [B T D] -> [B T D]
};

}  // namespace limn
