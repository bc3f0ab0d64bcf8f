#include <ATen/ATen.h>

#include "tests/bench/bench.h"
#include "tests/bench/blip.h"

namespace limn::bench {

namespace {

constexpr std::int64_t kSteps = 20;

/// Bytes that `kSteps` steps must read: every matrix once a step, and each picture's keys and values.
double bytes_read(std::int64_t pictures, double weight_bytes, double number_bytes) {
  const double D = kWidth, matrices = kLayers * (4 * D * D + 2 * D * D + 2 * D * kMlp) + D * D + D * kVocab;
  return kSteps * (matrices * weight_bytes + static_cast<double>(pictures) * kPatches * D * 2 * kLayers * number_bytes);
}

}  // namespace

void bench_decoder(Bench& bench) {
  if (!bench.wants("decoder")) return;
  struct Kind {
    std::string name;
    Placement placement;
    double weight_bytes, number_bytes;
  };
  std::vector<Kind> kinds{{"fp32", {}, 4, 4}};
  kinds.push_back({"bf16", {.dtype = at::kBFloat16}, 2, 2});
  kinds.push_back({"int8", {.int8 = true}, 1, 2});
  for (const Kind& kind : kinds) {
    const TextTransformer decoder = blip_decoder(kind.placement);
    for (const auto& [pictures, rows] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {1, 3}, {8, 8}, {8, 24}}) {
      const at::NoGradGuard no_grad;
      const Tensor context = at::randn({pictures, kPatches, kWidth}).to(kind.placement.dtype);
      const Tensor ids = at::full({rows, 1}, 1000, at::kLong);
      TextState begun;
      decoder(at::full({pictures, 1}, kBegin, at::kLong), {.state = &begun, .context = context});
      begun.reorder(at::arange(pictures, at::kLong).repeat_interleave(rows / pictures));
      bench.measure({.group = "decoder",
                     .name = "20 steps, " + std::to_string(rows / pictures) + " rows a picture",
                     .dtype = kind.name,
                     .batch = pictures,
                     .floor = Floor::reading,
                     .amount = bytes_read(pictures, kind.weight_bytes, kind.number_bytes),
                     .counted = static_cast<double>(kSteps * rows)},
                    [&] {
                      TextState state = begun;
                      for (std::int64_t step = 0; step < kSteps; ++step)
                        decoder.logits(decoder(ids, {.state = &state}).select(1, 0));
                    });
    }
  }
}

}  // namespace limn::bench
