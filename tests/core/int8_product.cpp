#include "core/int8_product.h"

#include "core/layers.h"
#include "core/ops.h"
#include "tests/core/lanes.h"

using namespace limn;

TEST_CASE("rows as bytes reach from the least number to the greatest, and 0 is 0", "[int8]") {
  at::manual_seed(3);
  for (const std::int64_t size : {1, 7, 16, 37, 768}) {
    Tensor x = at::randn({6, size}) * at::tensor({1e-3, 1.0, 50.0, 0.0, 7.0, 2.0}).to(at::kFloat).unsqueeze(1);
    x[4].abs_();
    x[5].copy_(-x[5].abs() - 3);
    for (const std::int64_t most : {127, 255})
      for (const Lanes lanes : lanes_here()) {
        CAPTURE(size, most, static_cast<int>(lanes));
        const ByteRows bytes = byte_rows(x, most, lanes);
        const Tensor step = bytes.rows.select(1, 0), zero = bytes.rows.select(1, 1);
        CHECK(difference(step, (x.amax(1).clamp_min(0) - x.amin(1).clamp_max(0)) / most) < 1e-6);
        CHECK(bytes.values.max().item<std::int64_t>() <= most);
        CHECK(at::equal(zero, zero.round()));
        const Tensor back = (bytes.values.to(at::kFloat) - zero.unsqueeze(1)) * step.unsqueeze(1);
        CHECK(((back - x).abs() <= 1.01 * step.unsqueeze(1)).all().item<bool>());
        if (size > 100) CHECK((back - x).norm().item<double>() < 0.3 * step.norm().item<double>() * std::sqrt(size));
      }
  }
}

TEST_CASE("finished rows: step, zero, bias and activation in one pass", "[int8]") {
  at::manual_seed(4);
  for (const std::int64_t size : {3, 16, 53}) {
    const Tensor y = at::randn({4, size}) * 4, sums = at::randn({size}), bias = at::randn({size});
    const Tensor rows = at::tensor({0.5f, 3.0f, 1.0f, 0.0f, 2.0f, 1.0f, 0.0f, 2.0f}).view({4, 2});
    for (const Lanes lanes : lanes_here())
      for (const bool with_bias : {false, true})
        for (const std::optional<Activation> activation :
             {std::optional<Activation>(), std::optional(Activation::gelu), std::optional(Activation::gelu_tanh),
              std::optional(Activation::quick_gelu), std::optional(Activation::relu),
              std::optional(Activation::silu)}) {
          CAPTURE(size, with_bias, activation ? static_cast<int>(*activation) : -1, static_cast<int>(lanes));
          const Tensor finished = y.clone();
          finish_rows(finished, rows, sums, with_bias ? bias : Tensor(), activation, lanes);
          Tensor expected = (y - rows.select(1, 1).unsqueeze(1) * sums) * rows.select(1, 0).unsqueeze(1);
          if (with_bias) expected = expected + bias;
          if (activation) expected = activate(expected, *activation);
          CHECK(difference(finished, expected) < 4e-6);
        }
  }
}

TEST_CASE("products of bytes are those of the numbers that the bytes stand for", "[int8]") {
  if (!Int8Product::available()) {
    WARN("SKIP  this processor or LibTorch has no product of bytes");
    return;
  }
  at::manual_seed(5);
  for (const auto& [in, out] : {std::pair<std::int64_t, std::int64_t>{48, 33}, {768, 96}, {64, 256}}) {
    CAPTURE(in, out);
    const Tensor x = at::gelu(at::randn({2, 19, in}) * 3), weight = at::randn({out, in}), bias = at::randn({out});
    const QuantizedRows rows = quantize_rows(weight);
    const Int8Product product(rows);
    const Tensor y = product(x, bias);
    REQUIRE(y.sizes() == at::IntArrayRef{2, 19, out});
    const Tensor exact = at::linear(x, weight, bias);
    CHECK(at::cosine_similarity(y.flatten(), exact.flatten(), 0).item<double>() > 0.9995);
    if (__builtin_cpu_supports("avx512vnni")) {
      const ByteRows bytes = byte_rows(x.view({-1, in}), 255);
      const Tensor meant = (bytes.values.to(at::kDouble) - bytes.rows.narrow(1, 1, 1)) * bytes.rows.narrow(1, 0, 1);
      const Tensor weights = rows.values.to(at::kDouble) * rows.scale.unsqueeze(1);
      const Tensor expected = at::linear(meant, weights, bias.to(at::kDouble));
      CHECK(difference(y.view({-1, out}), expected) < 2e-5 * expected.abs().max().item<double>());
    }
    CHECK(at::equal(product(x.narrow(1, 7, 3), bias), y.narrow(1, 7, 3)));  // a row by itself
    CHECK(difference(product(x, bias, Activation::gelu), at::gelu(y)) < 1e-5);
  }
  CHECK_THROWS_AS(Int8Product(quantize_rows(at::randn({4, 8})))(at::randn({2, 9}), Tensor()), InputError);
}
