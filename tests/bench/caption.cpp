#include <ATen/ATen.h>

#include "tests/bench/bench.h"
#include "tests/bench/blip.h"
#include "text/generate.h"
#include "vision/preprocess.h"

namespace limn::bench {

void bench_caption(Bench& bench) {
  if (!bench.wants("caption")) return;
  const Preprocess preprocess{.mean = {0.48, 0.46, 0.41}, .deviation = {0.27, 0.26, 0.28}};
  for (const auto& [dtype, placement] : placements()) {
    const Vit encoder = blip_encoder(placement);
    const TextTransformer decoder = blip_decoder(placement);
    const at::ScalarType type = placement.dtype;
    for (const std::int64_t batch : {1, 8}) {
      const Tensor pictures = at::randint(256, {batch, 3, kSide, kSide}, at::kByte);
      const std::vector<std::vector<std::int64_t>> prompts(static_cast<std::size_t>(batch), {kBegin});
      for (const std::int64_t beams : {1, 3})
        bench.measure({.group = "caption",
                       .name = beams == 1 ? "greedy, 20 tokens" : "3 beams, 20 tokens",
                       .dtype = dtype,
                       .batch = batch,
                       .counted = static_cast<double>(batch),
                       .unit = "captions"},
                      [&] {  // no end token: every caption has its 20 tokens
                        const Tensor context = encoder(preprocess.normalise(pictures).to(type));
                        generate(decoder, context, prompts, {.beams = beams, .max_new_tokens = 20});
                      });
      bench.compare("3 beams / greedy, " + dtype + ", batch " + std::to_string(batch),
                    bench.seconds("3 beams, 20 tokens", dtype, batch),
                    bench.seconds("greedy, 20 tokens", dtype, batch));
    }
  }
}

}  // namespace limn::bench
