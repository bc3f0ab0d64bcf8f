#include "core/attention.h"

#include <cmath>

#include "core/attend_lanes.h"
#include "core/ops.h"

namespace limn {

namespace {

Tensor split_heads(const Tensor& x, std::int64_t heads) {  // [B T D] -> [B A T K]
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

Tensor merge_heads(const Tensor& x) {  // [B A T K] -> [B T D]
  return x.transpose(1, 2).reshape({x.size(0), x.size(2), x.size(1) * x.size(3)});
}

// [T S], true where token t may see source s: lower-right aligned.
Tensor causal_mask(std::int64_t targets, std::int64_t sources, const at::Device& device) {
  return at::ones({targets, sources}, at::TensorOptions(at::kBool).device(device)).tril(sources - targets);
}

// The plain formula, where weights are asked for or the type has no fused kernel.
Tensor attend_plainly(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask,
                      const AttendOptions& options) {
  Tensor scores = at::matmul(q, k.transpose(-2, -1)) / std::sqrt(static_cast<double>(q.size(-1)));  // [B A T S]
  if (mask.defined() && mask.scalar_type() == at::kBool) {
    scores = scores.masked_fill(mask.logical_not(), -INFINITY);
  } else if (mask.defined()) {
    scores = scores + mask;
  }
  Tensor weights;
  if (options.log_sum) {
    const Tensor log_sum = at::logsumexp(scores, -1, true);  // [B A T 1]
    weights = (scores - log_sum).exp_();
    *options.log_sum = log_sum.squeeze(-1);
  } else {
    weights = at::softmax(scores, -1);
  }
  if (mask.defined()) weights = weights.nan_to_num(0.0);
  if (options.weights) *options.weights = weights;
  if (options.dropout > 0) weights = at::dropout(weights, options.dropout, true);
  return at::matmul(weights, v);
}

}  // namespace

void KvCache::make_room(std::int64_t added) {
  const std::int64_t needed = length + added;
  if (needed <= k.size(2)) return;
  const auto grown = [&](const Tensor& old) {
    Tensor room =
        at::empty({old.size(0), old.size(1), std::max<std::int64_t>(2 * needed, 32), old.size(3)}, old.options());
    room.narrow(2, 0, length).copy_(old.narrow(2, 0, length));
    return room;
  };
  k = grown(k);
  v = grown(v);
}

std::pair<Tensor, Tensor> KvCache::append(const Tensor& new_k, const Tensor& new_v) {
  const std::int64_t added = new_k.size(2);
  if (!k.defined() && !length) {
    const auto laid_out = [&](const Tensor& rows) {
      return type ? at::empty(rows.sizes(), rows.options().dtype(*type)).copy_(rows) : rows.contiguous();
    };
    k = laid_out(new_k);  // the first rows need no room beyond themselves: a cross cache stays so
    v = laid_out(new_v);
    length = added;
    return {k, v};
  }
  make_room(added);
  k.narrow(2, length, added).copy_(new_k);
  v.narrow(2, length, added).copy_(new_v);
  length += added;
  return {k.narrow(2, 0, length), v.narrow(2, 0, length)};
}

void KvCache::reorder(const Tensor& parents) {
  if (!filled()) return;
  k = k.index_select(0, parents);  // with the room ahead, so that the next rows find it
  v = v.index_select(0, parents);
}

Tensor attend(const Tensor& q_in, const Tensor& k, const Tensor& v, const AttendOptions& options) {
  const auto [R, A, T, K] = dims<4>(q_in, "attend: q [R A T K]");
  const auto [P, A2, S, K2] = dims<4>(k, "attend: k [P A S K]");
  if (A != A2 || K != K2 || P == 0 || R % P != 0 || v.dim() != 4 || k.sizes().slice(0, 3) != v.sizes().slice(0, 3))
    throw InputError("attend: q " + shape_text(q_in.sizes()) + " does not fit k " + shape_text(k.sizes()) + " and v " +
                     shape_text(v.sizes()));
  const std::int64_t group = R / P;
  const bool plain = !options.mask.defined() && !options.bias.defined() && !options.weights && !options.log_sum &&
                     options.dropout == 0 && k.size(3) == v.size(3) && (!options.causal || (T == 1 && group == 1));
  if (plain && attend_lanes_apply(q_in, k, v)) return attend_lanes(q_in, k, v);
  if (k.scalar_type() != q_in.scalar_type())
    return attend(q_in, k.to(q_in.scalar_type()), v.to(q_in.scalar_type()), options);
  Tensor q = q_in;
  if (group > 1) {  // rows of one source become query tokens of it: the source is never copied
    if (options.causal || options.mask.defined() || options.bias.defined())
      throw InputError("attend: several rows for one source take neither mask nor bias");
    q = q.view({P, group, A, T, K}).transpose(1, 2).reshape({P, A, group * T, K});
  }
  Tensor mask = options.bias.defined() ? options.bias : options.mask;
  while (mask.defined() && mask.dim() < 4) mask = mask.unsqueeze(0);
  const bool square = options.causal && T == S;
  if (options.causal && !square && T > 1) mask = causal_mask(T, S, q.device());
  Tensor result;
  if (options.weights || options.log_sum ||
      (mask.defined() && mask.scalar_type() == at::kBool && options.dropout > 0)) {
    if (square) mask = causal_mask(T, S, q.device());
    result = attend_plainly(q, k, v, mask, options);
  } else {
    std::optional<Tensor> extra;
    if (mask.defined()) extra = mask.scalar_type() == at::kBool ? mask : mask.to(q.scalar_type());
    result = at::scaled_dot_product_attention(q, k, v, extra, options.dropout, square && T > 1);
  }
  if (group == 1) return result;
  const auto ungrouped = [&, P = P, R = R, A = A, T = T](const Tensor& x) {  // clang 14 captures no bindings
    return x.view({P, A, group, T, x.size(-1)}).transpose(1, 2).reshape({R, A, T, x.size(-1)});
  };
  if (options.weights) *options.weights = ungrouped(*options.weights);
  if (options.log_sum) *options.log_sum = ungrouped(options.log_sum->unsqueeze(-1)).squeeze(-1);
  return ungrouped(result);
}

Attention::Attention(const Weights& w, std::int64_t dim, std::int64_t heads_, std::int64_t context_dim)
    : heads(heads_), out(w / "out", dim, dim) {
  if (context_dim == 0) {
    in.emplace_back(w / "qkv", dim, 3 * dim);
  } else {
    in.emplace_back(w / "q", dim, dim);
    in.emplace_back(w / "kv", context_dim, 2 * dim);
  }
}

Tensor Attention::operator()(const Tensor& x, const AttentionCall& call) const {
  dims<3>(x, "Attention: x [B T D]");
  Tensor q, k, v;
  if (in.size() == 1) {
    const auto parts = in[0](x).chunk(3, -1);  // 3 x [B T D]
    q = split_heads(parts[0], heads);
    k = split_heads(parts[1], heads);
    v = split_heads(parts[2], heads);
    if (call.cache) std::tie(k, v) = call.cache->append(k, v);
  } else {
    q = split_heads(in[0](x), heads);
    if (call.cache && call.cache->filled()) {
      k = call.cache->k;
      v = call.cache->v;
    } else {
      const auto parts = in[1](call.context).chunk(2, -1);  // 2 x [P S D]
      k = split_heads(parts[0], heads);
      v = split_heads(parts[1], heads);
      if (call.cache) std::tie(k, v) = call.cache->append(k, v);
    }
  }
  return out(merge_heads(attend(q, k, v, call.options)));
}

}  // namespace limn
