#include <ATen/ATen.h>

#include "tests/bench/bench.h"
#include "tests/bench/blip.h"
#include "vision/attention_pool.h"

namespace limn::bench {

namespace {

struct Tower {
  const char* name;
  VitConfig config;
  bool attention_pool = false;
  std::vector<std::int64_t> batches = {1, 16};
};

std::vector<Tower> towers() {
  const VitConfig base{.dim = kWidth, .heads = 12, .layers = kLayers, .mlp = kMlp, .eps = 1e-5};
  const auto with = [&](std::int64_t image, std::int64_t patch) {
    VitConfig config = base;
    config.image = image;
    config.patch = patch;
    return config;
  };
  std::vector<Tower> towers{{"BLIP-base at 384", with(384, 16), false, {1, 8}},
                            {"CLIP ViT-B/32 at 224", with(224, 32)},
                            {"CLIP ViT-B/16 at 224", with(224, 16)},
                            {"SigLIP ViT-B/16 at 224", with(224, 16), true}};
  for (Tower* clip : {&towers[1], &towers[2]}) {
    clip->config.activation = Activation::quick_gelu;
    clip->config.patch_bias = false;
    clip->config.norm_before = true;
  }
  towers[3].config.activation = Activation::gelu_tanh;
  towers[3].config.class_token = false;
  return towers;
}

// Multiplications and additions for one picture, the pooling head's left out.
double encoder_flop(const VitConfig& c) {
  const std::int64_t side = c.image / c.patch;
  const double T = static_cast<double>(side * side + (c.class_token ? 1 : 0)), D = static_cast<double>(c.dim),
               F = static_cast<double>(c.mlp), P = static_cast<double>(c.patch);
  return static_cast<double>(c.layers) * (2 * T * (4 * D * D + 2 * D * F) + 4 * T * T * D) + 2 * T * D * 3 * P * P;
}

}  // namespace

void bench_encoder(Bench& bench) {
  if (!bench.wants("encoder")) return;
  for (const Tower& tower : towers()) {
    for (const auto& [dtype, placement] : placements()) {
      if (!bench.wants("encoder", std::string(tower.name) + ", " + dtype)) continue;
      std::optional<Weights> weights = Weights::random(1, placement);
      const Vit encoder(*weights / "vision", tower.config);
      std::optional<AttentionPool> pool;
      if (tower.attention_pool)
        pool.emplace(*weights / "pool", AttentionPoolConfig{.dim = kWidth, .heads = 12, .mlp = kMlp, .eps = 1e-6});
      weights.reset();  // as a loader does: layers let rows go that nobody else holds
      for (const std::int64_t batch : tower.batches) {
        const Tensor pixels = at::randn({batch, 3, tower.config.image, tower.config.image}).to(placement.dtype);
        bench.measure({.group = "encoder",
                       .name = tower.name,
                       .dtype = dtype,
                       .batch = batch,
                       .floor = placement.int8 ? Floor::none : Floor::product,
                       .amount = static_cast<double>(batch) * encoder_flop(tower.config),
                       .counted = static_cast<double>(batch),
                       .unit = "pictures"},
                      [&] {
                        const Tensor tokens = encoder(pixels);
                        if (pool) (*pool)(tokens);
                      });
      }
    }
    for (const std::int64_t batch : tower.batches)
      bench.compare(std::string(tower.name) + ", batch " + std::to_string(batch) + ": fp32 / int8",
                    bench.seconds(tower.name, "fp32", batch), bench.seconds(tower.name, "int8", batch));
  }
}

}  // namespace limn::bench
