#include "core/attend_lanes.h"
#include "core/few_rows.h"
#include "core/float_types.h"
#include "core/layers.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "tests/catch.h"
#include "tests/core/lanes.h"
#include "text/transformer.h"

// Our own kernels, in every instruction set that this processor has, against the plain formulas in float64.

using namespace limn;

namespace {

Tensor drawn(at::IntArrayRef shape, at::ScalarType type = at::kFloat) {
  return type == at::kChar ? at::randint(-127, 128, shape, at::kChar) : at::randn(shape).to(type);
}

}  // namespace

TEST_CASE("few rows times a matrix, in every instruction set", "[kernels]") {
  at::manual_seed(1);
  for (const Lanes lanes : lanes_here())
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf, at::kChar})
      for (const std::int64_t in : {1, 7, 8, 16, 31, 100, 768})  // with and without a rest behind whole vectors
        for (const std::int64_t out : {1, 3, 5, 130})
          for (const std::int64_t rows : {1, 2, 3, 4, 7, 24, 40}) {
            CAPTURE(static_cast<int>(lanes), static_cast<int>(type), in, out, rows);
            Tensor x = drawn({rows, in});
            if (type == at::kBFloat16 || type == at::kChar) x = x.to(at::kBFloat16).to(at::kFloat);  // as some kernels
            const Tensor weight = drawn({out, in}, type), bias = drawn({out});
            const Tensor scale = type == at::kChar ? at::rand({out}) / 127 : Tensor();
            Tensor expected = at::matmul(x.to(at::kDouble), weight.to(at::kDouble).t());
            if (scale.defined()) expected = expected * scale.to(at::kDouble);
            const Tensor y = linear_few_rows(x, weight, bias, scale, {}, lanes);
            CHECK(difference(y, expected + bias.to(at::kDouble)) < 2e-5 * std::sqrt(static_cast<double>(in)));
            if (is_float_type(type))
              CHECK(at::equal(linear_few_rows(x, weight, bias.to(type), scale, {}, lanes),
                              linear_few_rows(x, weight, bias.to(type).to(at::kFloat), scale, {}, lanes)));
            // One row alone gives the same bits.
            CHECK(at::equal(linear_few_rows(x.narrow(0, rows - 1, 1), weight, bias, scale, {}, lanes)[0], y[rows - 1]));
          }
}

TEST_CASE("few rows activated on the way to memory", "[kernels]") {
  at::manual_seed(6);
  const Tensor x = 3 * at::randn({3, 40}), weight = at::randn({300, 40}) / 3, bias = at::randn({300});
  const Tensor sums = at::linear(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble));
  for (const Lanes lanes : lanes_here())
    for (const Activation activation :
         {Activation::gelu, Activation::gelu_tanh, Activation::quick_gelu, Activation::relu, Activation::silu}) {
      CAPTURE(static_cast<int>(lanes), static_cast<int>(activation));
      const Tensor y = linear_few_rows(x, weight, bias, {}, activation, lanes);
      CHECK(difference(y, activate(sums, activation)) < 2e-5);
      for (const std::int64_t outs : {1, 13, 299})  // a number's bits do not depend on its place in a vector
        CHECK(at::equal(linear_few_rows(x, weight.narrow(0, 300 - outs, outs).contiguous(),
                                        bias.narrow(0, 300 - outs, outs).contiguous(), {}, activation, lanes),
                        y.narrow(1, 300 - outs, outs)));
    }
}

TEST_CASE("our own attention, in every instruction set", "[kernels][attention]") {
  at::manual_seed(2);
  for (const Lanes lanes : lanes_here())
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf})
      for (const std::int64_t size : {4, 8, 20, 64, 80})
        for (const std::int64_t sources : {1, 5, 16, 577})
          for (const auto& [pictures, group, tokens] : {std::array<std::int64_t, 3>{1, 1, 1},
                                                        {2, 3, 1},
                                                        {1, 1, 4},
                                                        {2, 2, 4},
                                                        {1, 16, 1},
                                                        {2, 1, 37},
                                                        {1, 2, 9}}) {
            CAPTURE(static_cast<int>(lanes), static_cast<int>(type), size, sources, pictures, group, tokens);
            const Tensor q = (3 * drawn({pictures * group, 2, tokens, size})).to(type);
            // Keys and values as a stacked projection leaves them: heads interleaved in memory.
            const auto parts = drawn({pictures, sources, 4 * size}, type).chunk(2, -1);
            const Tensor k = parts[0].view({pictures, sources, 2, size}).transpose(1, 2),
                         v = parts[1].view({pictures, sources, 2, size}).transpose(1, 2);
            const auto copied = [times = group](const Tensor& x) {
              return x.repeat_interleave(times, 0).to(at::kDouble);
            };
            const Tensor scores =
                at::matmul(q.to(at::kDouble), copied(k).transpose(-2, -1)) / std::sqrt(static_cast<double>(size));
            const Tensor expected = at::matmul(at::softmax(scores, -1), copied(v));
            const Tensor result = attend_lanes(q, k, v, lanes);
            CHECK(result.scalar_type() == type);
            CHECK(difference(result, expected) < (type == at::kFloat ? 5e-6 : type == at::kHalf ? 2e-3 : 1.5e-2));
            CHECK(
                at::equal(attend_lanes(q.narrow(0, 0, group).contiguous(), k.narrow(0, 0, 1), v.narrow(0, 0, 1), lanes),
                          result.narrow(0, 0, group)));
          }
}

TEST_CASE("attention weights from scores far apart are right, and what is not a number stays so", "[kernels]") {
  for (const Lanes lanes : lanes_here()) {
    const Tensor q = at::full({1, 1, 1, 16}, 100.0f), k = at::randn({1, 1, 40, 16}) * 10,
                 v = at::eye(40).narrow(1, 0, 16);
    const Tensor values = v.contiguous().view({1, 1, 40, 16});
    const Tensor scores = at::matmul(q.to(at::kDouble), k.to(at::kDouble).transpose(-2, -1)) / 4;
    CHECK(difference(attend_lanes(q, k, values, lanes), at::matmul(at::softmax(scores, -1), values.to(at::kDouble))) <
          1e-6);
    Tensor broken = k.clone();
    broken[0][0][3][3] = NAN;
    CHECK(at::isnan(attend_lanes(q, broken, values, lanes)).any().item<bool>());
  }
}

TEST_CASE("many rows times weights in panels", "[kernels]") {
  if (!panels_apply()) {
    WARN("no panels on this processor: nothing is tested here");
    return;
  }
  at::manual_seed(7);
  for (const std::int64_t in : {1, 7, 255, 256, 257, 1000})  // with and without several pieces of the inputs
    for (const std::int64_t out : {1, 15, 16, 17, 130})
      for (const std::int64_t rows : {1, 5, 6, 33, 97, 200}) {
        CAPTURE(in, out, rows);
        const Tensor x = at::randn({rows, in}), weight = at::randn({out, in}), bias = at::randn({out}),
                     panels = panels_of(weight);
        CHECK(at::equal(rows_of(panels, out), weight));
        const Tensor sums = at::linear(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble));
        const double most = 1e-5 * std::sqrt(static_cast<double>(in));
        for (const PackedActivation activation :
             {PackedActivation::none, PackedActivation::gelu, PackedActivation::gelu_tanh, PackedActivation::relu6}) {
          const Tensor y = linear_panels(x, panels, out, bias, activation);
          CHECK(difference(y, activation == PackedActivation::gelu        ? at::gelu(sums)
                              : activation == PackedActivation::gelu_tanh ? at::gelu(sums, "tanh")
                              : activation == PackedActivation::relu6     ? at::clamp(sums, 0, 6)
                                                                          : sums) < most);
          // One row alone gives the same bits.
          CHECK(at::equal(linear_panels(x.narrow(0, rows - 1, 1), panels, out, bias, activation)[0], y[rows - 1]));
        }
        CHECK(difference(linear_panels(x, panels, out, {}, PackedActivation::none), sums - bias.to(at::kDouble)) <
              most);
      }
  const Tensor none = linear_panels(at::empty({2, 0, 8}), panels_of(at::ones({3, 8})), 3, {}, PackedActivation::none);
  CHECK(none.sizes() == at::IntArrayRef({2, 0, 3}));
}

TEST_CASE("a linear layer gives the same from packed weights, and its rows come back", "[kernels]") {
  const at::NoGradGuard no_grad;
  at::manual_seed(3);
  PackedLinear weight(at::randn({70, 100}));  // nobody else holds the weights
  const Tensor before = weight.rows().clone(), bias = at::randn({70}), x = at::randn({50, 100});
  const Tensor y = weight(x, bias, PackedActivation::none);
  if (!y.defined()) {
    WARN("no packed product on this processor: nothing is tested here");
    return;
  }
  const Tensor expected = at::linear(x, before, bias);
  CHECK(difference(y, expected) < 1e-4);
  CHECK(difference(weight(x, bias, PackedActivation::gelu), at::gelu(expected)) < 1e-4);
  CHECK(difference(weight(x, bias, PackedActivation::relu6), at::clamp(expected, 0, 6)) < 1e-4);
  CHECK(at::equal(weight.rows(), before));
  // Rows that somebody holds and writes to are packed again.
  const Tensor held = at::randn({70, 100});
  PackedLinear shared(held);
  shared(x, bias, PackedActivation::none);
  held.mul_(2);
  CHECK(difference(shared(x, bias, PackedActivation::none), at::linear(x, held, bias)) < 2e-4);
}

TEST_CASE("int8 rows stay near what they were, in any number of rows", "[kernels]") {
  const at::NoGradGuard no_grad;
  at::manual_seed(4);
  const Weights weights = Weights::random(5);
  const Linear exact(weights / "layer", 96, 64);
  Linear rounded(weights / "layer", 96, 64);
  rounded.quantize(Int8::weights);
  for (const std::int64_t rows : {1, 3, 100}) {
    const Tensor x = at::randn({2, rows, 96});
    CHECK(difference(exact(x), rounded(x)) > 0);
    CHECK((exact(x) - rounded(x)).norm().item<double>() < 0.01 * exact(x).norm().item<double>());
  }
  Embedding table(weights / "table", 30, 16);
  const Tensor ids = at::tensor({3, 29, 0, 7}).view({2, 2}), before = table(ids);
  table.quantize();
  CHECK(table(ids).sizes() == before.sizes());
  CHECK(difference(table(ids), before) < 0.005 * before.abs().max().item<double>());
}

TEST_CASE("a decoder in int8 says nearly what it said", "[kernels]") {
  const at::NoGradGuard no_grad;
  const TextConfig config{.vocab = 50,
                          .dim = 64,
                          .heads = 4,
                          .layers = 2,
                          .mlp = 128,
                          .positions = 16,
                          .context_dim = 48,
                          .eps = 1e-5,
                          .causal = true,
                          .pre_norm = true,
                          .final_norm = true,
                          .head = Head::tied};
  const TextTransformer exact(Weights::random(6), config), rounded(Weights::random(6, {.int8 = true}), config);
  CHECK(rounded.words.weight.scalar_type() == at::kChar);
  const Tensor ids = at::tensor({4, 8, 15, 16, 23, 42}).view({2, 3}), context = at::randn({2, 5, 48});
  const Tensor expected = exact.logits(exact(ids, {.context = context})),
               near = rounded.logits(rounded(ids, {.context = context}));
  CHECK(difference(near, expected) > 0);
  CHECK((near - expected).norm().item<double>() < 0.02 * expected.norm().item<double>());
}
