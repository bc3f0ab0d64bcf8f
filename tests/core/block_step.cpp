#include "core/block_step.h"

#include "core/norm_lanes.h"
#include "core/ops.h"
#include "tests/catch.h"
#include "tests/core/lanes.h"

using namespace limn;

TEST_CASE("rows normalised by our own kernel, in every instruction set", "[kernels]") {
  at::manual_seed(1);
  for (const Lanes lanes : lanes_here())
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf})
      for (const std::int64_t size : {1, 7, 16, 50, 768}) {
        CAPTURE(static_cast<int>(lanes), static_cast<int>(type), size);
        const Tensor x = 3 * at::randn({4, size}) + 5, gain = at::randn({size}).to(type),
                     offset = at::randn({size}).to(type);
        const Tensor expected =
            at::layer_norm(x.to(at::kDouble), {size}, gain.to(at::kDouble), offset.to(at::kDouble), 1e-5);
        const Tensor y = at::empty_like(x);
        norm_lanes(x.const_data_ptr<float>(), 4, gain, offset, 1e-5, y.data_ptr<float>(), lanes);
        CHECK(difference(y, expected) < 1e-5);
        const Tensor in_place = x[2].clone();  // alone, over itself: the same bits
        norm_lanes(in_place.const_data_ptr<float>(), 1, gain, offset, 1e-5, in_place.data_ptr<float>(), lanes);
        CHECK(at::equal(in_place, y[2]));
      }
}

namespace {

constexpr std::int64_t kDim = 48, kSources = 21;

struct Caches {
  KvCache self, cross;
};

// What two steps give, and the caches behind them; asking for gradients takes the way of tensors.
std::pair<Tensor, Caches> two_steps(const Block& block, const Tensor& x, const Caches& begun, bool has_cross,
                                    bool as_tensors) {
  const at::AutoGradMode mode(as_tensors);
  Caches caches = begun;
  BlockCall call;
  call.self.cache = &caches.self;
  call.self.options.causal = true;
  if (has_cross) call.cross.cache = &caches.cross;
  CHECK(block_step_applies(block, x[0], call) == !as_tensors);
  const Tensor first = block(x[0], call);
  return {at::stack({first, block(x[1], call)}), caches};
}

}  // namespace

TEST_CASE("a step through a block is the block's pass", "[kernels][transformer]") {
  if (lanes_here().empty()) return;
  at::manual_seed(2);
  for (const std::string kind : {"fp32", "bf16", "fp16", "int8"})
    for (const bool pre_norm : {false, true})
      for (const std::int64_t context : {0, 32})
        for (const auto& [pictures, group] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {1, 3}, {4, 2}}) {
          CAPTURE(kind, pre_norm, context, pictures, group);
          const at::ScalarType type = kind == "bf16" ? at::kBFloat16 : kind == "fp16" ? at::kHalf : at::kFloat;
          Block block(Weights::random(3, {.dtype = type}), {.dim = kDim,
                                                            .heads = 3,
                                                            .mlp = 100,
                                                            .context_dim = context,
                                                            .eps = 1e-6,
                                                            .pre_norm = pre_norm,
                                                            .activation = Activation::gelu_tanh});
          if (kind == "int8") block.quantize(Int8::weights);
          const std::int64_t rows = pictures * group;
          const auto heads = [&](std::int64_t sources_of, std::int64_t tokens) {
            return at::randn({sources_of, 3, tokens, kDim / 3}).to(type);
          };
          Caches begun{{heads(rows, 2), heads(rows, 2), 2},
                       {heads(pictures, kSources), heads(pictures, kSources), kSources}};
          const Tensor x = at::randn({2, rows, 1, kDim}).to(type);
          const auto [plain, plain_caches] = two_steps(block, x, begun, context > 0, true);
          const auto [y, caches] = two_steps(block, x, begun, context > 0, false);
          CHECK(y.scalar_type() == type);
          const double most = type == at::kFloat ? 1e-5 : type == at::kHalf ? 2e-2 : 1e-1;
          CHECK(difference(y, plain) < most);
          REQUIRE(caches.self.length == 4);
          CHECK(difference(caches.self.k.narrow(2, 0, 4), plain_caches.self.k.narrow(2, 0, 4)) < most);
          CHECK(difference(caches.self.v.narrow(2, 0, 4), plain_caches.self.v.narrow(2, 0, 4)) < most);
          const auto [alone, alone_caches] =  // the first picture's rows, bit for bit
              two_steps(block, x.narrow(1, 0, group).contiguous(),
                        {{begun.self.k.narrow(0, 0, group), begun.self.v.narrow(0, 0, group), 2},
                         {begun.cross.k.narrow(0, 0, 1), begun.cross.v.narrow(0, 0, 1), kSources}},
                        context > 0, false);
          CHECK(at::equal(alone, y.narrow(1, 0, group)));
        }
}

TEST_CASE("a block takes the way of tensors where a step would miss something", "[kernels][transformer]") {
  if (lanes_here().empty()) return;
  const at::NoGradGuard no_grad;
  const Block block(Weights::random(3), {.dim = kDim, .heads = 3, .mlp = 100, .context_dim = 32, .eps = 1e-6});
  const auto heads = [](std::int64_t rows) { return at::randn({rows, 3, 2, kDim / 3}); };
  KvCache self{heads(2), heads(2), 2}, cross{heads(1), heads(1), 2}, empty, other{heads(3), heads(3), 2};
  const Tensor x = at::randn({2, 1, kDim});
  Tensor weights;
  const BlockCall good{.self = {.cache = &self}, .cross = {.cache = &cross}};
  CHECK(block_step_applies(block, x, good));
  CHECK(block_step_applies(block, x, {.self = {.cache = &self}}));  // without context
  CHECK_FALSE(block_step_applies(block, at::randn({2, 2, kDim}), good));
  CHECK_FALSE(block_step_applies(block, x.to(at::kDouble), good));
  CHECK_FALSE(block_step_applies(block, x, {}));
  CHECK_FALSE(block_step_applies(block, x, {.self = {.cache = &empty}, .cross = {.cache = &cross}}));
  CHECK_FALSE(block_step_applies(block, x, {.self = {.cache = &other}, .cross = {.cache = &cross}}));
  CHECK_FALSE(block_step_applies(block, x, {.self = {.cache = &self}, .cross = {.cache = &empty}}));
  CHECK_FALSE(block_step_applies(block, x, {.self = {.cache = &self}, .cross = {.cache = &other}}));
  CHECK_FALSE(block_step_applies(block, x, {.self = {.cache = &self}, .cross = {.context = at::randn({1, 5, 32})}}));
  for (const auto& set : std::initializer_list<void (*)(AttendOptions&, Tensor&)>{
           [](AttendOptions&o, Tensor&) {
             o.mask = at::ones({1, 3}, at::kBool);
           },
           [](AttendOptions&o, Tensor&) {
             o.bias = at::zeros({1, 3});
           },
           [](AttendOptions&o, Tensor&) { o.dropout = 0.1; }, [](AttendOptions&o, Tensor&w) { o.weights = &w; },
           [](AttendOptions&o, Tensor&w) { o.log_sum = &w; }}) {
    BlockCall call = good;
    set(call.self.options, weights);
    CHECK_FALSE(block_step_applies(block, x, call));
    call = good;
    set(call.cross.options, weights);
    CHECK_FALSE(block_step_applies(block, x, call));
  }
}
