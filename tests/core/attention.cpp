#include "core/attention.h"

#include <cmath>

#include "core/ops.h"
#include "core/transformer.h"
#include "tests/catch.h"

using namespace limn;

namespace {

// softmax(Q K^T / sqrt(K)) V by loops in float64: the definition, and nothing of the code under test.
Tensor defined_attention(const Tensor& q32, const Tensor& k32, const Tensor& v32, bool causal, const Tensor& mask = {},
                         const Tensor& bias = {}) {
  const Tensor q = q32.to(at::kDouble), k = k32.to(at::kDouble), v = v32.to(at::kDouble);
  const auto R = q.size(0), A = q.size(1), T = q.size(2), K = q.size(3), S = k.size(2), group = R / k.size(0);
  Tensor out = at::zeros({R, A, T, K}, at::kDouble);
  const Tensor allowed = mask.defined() ? mask.expand({R, A, T, S}).contiguous() : at::ones({R, A, T, S}, at::kBool);
  const Tensor added =
      bias.defined() ? bias.to(at::kDouble).expand({R, A, T, S}).contiguous() : at::zeros({R, A, T, S}, at::kDouble);
  const auto qa = q.accessor<double, 4>(), ka = k.accessor<double, 4>(), va = v.accessor<double, 4>(),
             ba = added.accessor<double, 4>();
  const auto ma = allowed.accessor<bool, 4>();
  auto oa = out.accessor<double, 4>();
  for (int r = 0; r < R; ++r)
    for (int a = 0; a < A; ++a)
      for (int t = 0; t < T; ++t) {
        std::vector<double> weight(static_cast<std::size_t>(S), 0.0);
        double total = 0;
        for (int s = 0; s < S; ++s) {
          if (!ma[r][a][t][s] || (causal && s > S - T + t)) continue;
          double score = ba[r][a][t][s];
          for (int i = 0; i < K; ++i)
            score += qa[r][a][t][i] * ka[r / group][a][s][i] / std::sqrt(static_cast<double>(K));
          total += weight[static_cast<std::size_t>(s)] = std::exp(score);
        }
        if (total == 0) continue;
        for (int s = 0; s < S; ++s)
          for (int i = 0; i < K; ++i)
            oa[r][a][t][i] += weight[static_cast<std::size_t>(s)] / total * va[r / group][a][s][i];
      }
  return out;
}

bool close(const Tensor& a, const Tensor& b, double tolerance = 2e-6) {
  return a.sizes() == b.sizes() && (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>() <= tolerance;
}

}  // namespace

TEST_CASE("attend is softmax(QK)V: self, cross, causal behind a cache", "[attention]") {
  const std::int64_t T = GENERATE(1, 2, 5), S = GENERATE(1, 5, 33), heads = GENERATE(1, 3);
  const bool causal = GENERATE(false, true);
  if (causal && T > S) return;
  CAPTURE(T, S, heads, causal);
  const Tensor q = at::randn({2, heads, T, 8}), k = at::randn({2, heads, S, 8}), v = at::randn({2, heads, S, 8});
  CHECK(close(attend(q, k, v, {.causal = causal}), defined_attention(q, k, v, causal)));
  Tensor weights;
  CHECK(close(attend(q, k, v, {.causal = causal, .weights = &weights}), defined_attention(q, k, v, causal)));
  CHECK(weights.sizes() == at::IntArrayRef({2, heads, T, S}));
  CHECK(close(weights.sum(-1), at::ones({2, heads, T})));
}

TEST_CASE("attend: values of another width, and parts that are merged by their log-sum-exp", "[attention]") {
  const Tensor q = at::randn({2, 2, 5, 8}), k = at::randn({2, 2, 9, 8}), v = at::randn({2, 2, 9, 8});
  const Tensor bias = at::randn({1, 1, 1, 9});
  const Tensor wide = at::cat({v, v.square()}, 3), known = defined_attention(q, k, v, false, {}, bias);
  CHECK(close(attend(q, k, wide, {.bias = bias}).narrow(3, 0, 8), known));
  Tensor near_sum, far_sum;
  const auto part = [&](std::int64_t first, std::int64_t count, Tensor& log_sum) {
    return attend(q, k.narrow(2, first, count), wide.narrow(2, first, count),
                  {.bias = bias.narrow(3, first, count), .log_sum = &log_sum});
  };
  const Tensor near = part(0, 4, near_sum), far = part(4, 5, far_sum);
  CHECK(near_sum.sizes() == at::IntArrayRef({2, 2, 5}));
  const Tensor share = at::sigmoid(near_sum - far_sum).unsqueeze(-1);
  const Tensor merged = near * share + far * (1 - share);
  CHECK(close(merged.narrow(3, 0, 8), known));
  CHECK(close(merged.narrow(3, 8, 8), defined_attention(q, k, v.square(), false, {}, bias)));
  Tensor grouped;  // several rows of one source
  attend(at::cat({q, q}), at::cat({k, k}), at::cat({v, v}), {.log_sum = &grouped});
  CHECK(grouped.sizes() == at::IntArrayRef({4, 2, 5}));
}

TEST_CASE("attend with masks and biases", "[attention]") {
  const Tensor q = at::randn({3, 2, 4, 8}), k = at::randn({3, 2, 6, 8}), v = at::randn({3, 2, 6, 8});
  Tensor mask = at::rand({3, 1, 4, 6}) < 0.6;
  mask[1][0][2].fill_(false);  // a row with nothing to attend to
  const Tensor bias = at::randn({1, 2, 4, 6});
  CHECK(close(attend(q, k, v, {.mask = mask}), defined_attention(q, k, v, false, mask)));
  CHECK(close(attend(q, k, v, {.bias = bias}), defined_attention(q, k, v, false, {}, bias)));
  Tensor weights;
  CHECK(close(attend(q, k, v, {.mask = mask, .weights = &weights}), defined_attention(q, k, v, false, mask)));
  CHECK(attend(q, k, v, {.mask = mask})[1][0][2].abs().max().item<float>() == 0);
  // What a mask hides has no influence.
  Tensor other = k.clone(), far = v.clone();
  other.select(2, 5).fill_(1e4);
  far.select(2, 5).fill_(1e4);
  const Tensor last_hidden = at::arange(6) < 5;
  CHECK(close(attend(q, k, v, {.mask = last_hidden}), attend(q, other, far, {.mask = last_hidden})));
}

TEST_CASE("rows that share a source attend as if it were copied for each", "[attention]") {
  const std::int64_t group = GENERATE(1, 2, 5), T = GENERATE(1, 3);
  CAPTURE(group, T);
  const Tensor q = at::randn({2 * group, 3, T, 8}), k = at::randn({2, 3, 7, 8}), v = at::randn({2, 3, 7, 8});
  const Tensor shared = attend(q, k, v),
               copied = attend(q, k.repeat_interleave(group, 0), v.repeat_interleave(group, 0));
  CHECK(close(shared, copied));
  CHECK(close(shared, defined_attention(q, k, v, false)));
  Tensor weights;
  attend(q, k, v, {.weights = &weights});
  CHECK(weights.sizes() == at::IntArrayRef({2 * group, 3, T, 7}));
  CHECK(close(at::matmul(weights, v.repeat_interleave(group, 0)), copied));
}

TEST_CASE("attend refuses what does not fit", "[attention]") {
  CHECK_THROWS_WITH(attend(at::randn({3, 2, 1, 8}), at::randn({2, 2, 4, 8}), at::randn({2, 2, 4, 8})),
                    "attend: q [3, 2, 1, 8] does not fit k [2, 2, 4, 8] and v [2, 2, 4, 8]");
  CHECK_THROWS_WITH(attend(at::randn({2, 2, 1, 8}), at::randn({2, 2, 4, 8}), at::randn({2, 2, 5, 8})),
                    "attend: q [2, 2, 1, 8] does not fit k [2, 2, 4, 8] and v [2, 2, 5, 8]");
}

TEST_CASE("a sequence in pieces through the cache equals the sequence at once", "[attention]") {
  const std::int64_t first = GENERATE(1, 3, 6);
  CAPTURE(first);
  const Attention attention(Weights::random(1), 16, 4);
  const Tensor x = at::randn({2, 7, 16});
  KvCache cache;
  std::vector<Tensor> pieces{attention(x.narrow(1, 0, first), {.cache = &cache, .options = {.causal = true}})};
  for (std::int64_t t = first; t < 7; ++t)
    pieces.push_back(attention(x.narrow(1, t, 1), {.cache = &cache, .options = {.causal = true}}));
  CHECK(close(at::cat(pieces, 1), attention(x, {.options = {.causal = true}})));
}

TEST_CASE("a cache that is reordered goes on as its parents' would", "[attention]") {
  const Attention attention(Weights::random(2), 16, 4);
  const Tensor x = at::randn({3, 4, 16}), next = at::randn({4, 1, 16}), parents = at::tensor({2, 0, 0, 1}, at::kLong);
  KvCache cache, chosen;
  attention(x, {.cache = &cache, .options = {.causal = true}});
  attention(x.index_select(0, parents), {.cache = &chosen, .options = {.causal = true}});
  cache.reorder(parents);
  CHECK(close(attention(next, {.cache = &cache, .options = {.causal = true}}),
              attention(next, {.cache = &chosen, .options = {.causal = true}})));
}

TEST_CASE("attention trains: its gradients agree with differences", "[attention]") {
  const Attention attention(Weights::random(3, {.device = at::kCPU, .dtype = at::kDouble}), 8, 2);
  Tensor x = at::randn({2, 3, 8}, at::kDouble).requires_grad_(true);
  const Tensor probe = at::randn({2, 3, 8}, at::kDouble);
  const auto value = [&](const Tensor& at) { return (attention(at, {.options = {.causal = true}}) * probe).sum(); };
  value(x).backward();
  const at::NoGradGuard no_grad;
  for (std::int64_t i = 0; i < 5; ++i) {
    Tensor step = at::zeros_like(x);
    step.view({-1})[i * 7].fill_(1e-6);
    const double difference = (value(x + step) - value(x - step)).item<double>() / 2e-6;
    CHECK(x.grad().view({-1})[i * 7].item<double>() == Catch::Approx(difference).epsilon(1e-6).margin(1e-8));
  }
}

TEST_CASE("a cache keeps keys and values in the type that it was given", "[attention]") {
  at::manual_seed(5);
  const at::NoGradGuard no_grad;
  const Attention cross(Weights::random(3), 48, 3, 32);
  const Tensor x = at::randn({2, 1, 48}), context = at::randn({1, 9, 32});
  KvCache as_they_come, shorter{.type = at::kBFloat16};
  const Tensor expected = cross(x, {.context = context, .cache = &as_they_come});
  CHECK(close(cross(x, {.context = context, .cache = &shorter}), expected, 1e-2));
  CHECK(shorter.k.scalar_type() == at::kBFloat16);
  CHECK(at::equal(shorter.v, as_they_come.v.to(at::kBFloat16)));
  const Tensor y = cross(x, {.cache = &shorter});
  CHECK(y.scalar_type() == at::kFloat);
  CHECK(close(y, expected, 1e-2));
  Tensor weights;  // the plain formula
  CHECK(close(cross(x, {.cache = &shorter, .options = {.weights = &weights}}), y, 1e-5));
}
