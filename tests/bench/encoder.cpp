#include <ATen/ATen.h>

#include "tests/bench/bench.h"
#include "tests/bench/blip.h"

namespace limn::bench {

void bench_encoder(Bench& bench) {
  if (!bench.wants("encoder")) return;
  for (const auto& [dtype, type] : float_types()) {
    const Vit encoder = blip_encoder({.dtype = type});
    for (const std::int64_t batch : {1, 8}) {
      const Tensor pixels = at::randn({batch, 3, kSide, kSide}).to(type);
      bench.measure({.group = "encoder",
                     .name = "BLIP-base at 384",
                     .dtype = dtype,
                     .batch = batch,
                     .floor = Floor::product,
                     .amount = static_cast<double>(batch) * encoder_flop(),
                     .counted = static_cast<double>(batch),
                     .unit = "pictures"},
                    [&] { encoder(pixels); });
    }
  }
}

}  // namespace limn::bench
