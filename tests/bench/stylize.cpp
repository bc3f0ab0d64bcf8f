#include "apps/stylize.h"
#include "apps/models.h"
#include "apps/stylize_room.h"
#include "core/ops.h"
#include "fusion/model.h"
#include "tests/bench/bench.h"

namespace limn::bench {

void bench_stylize(Bench& bench) {
  if (!bench.wants("stylize")) return;
  keep_buffers();
  const Stylizer stylizer = *open_model(resolve_model(kDefaultStylizer)).stylizer;
  const auto picture = [](std::int64_t side) { return at::randint(256, {3, side, side}, at::kByte); };
  const Tensor style = picture(512);
  bench.measure({.group = "stylize", .name = "a style of 512 x 512 read"}, [&] { read_style(stylizer, style); });
  const std::vector<Tensor> read = read_style(stylizer, style);
  for (const std::int64_t side : {512, 1024}) {
    const Tensor canvas = picture(side);
    const std::string size = std::to_string(side) + " x " + std::to_string(side);
    const auto row = [&](const std::string& name) {
      return Task{
          .group = "stylize", .name = size + name, .counted = static_cast<double>(side * side) / 1e6, .unit = "MPix"};
    };
    bench.measure(row(" in one style"), [&] { stylize(stylizer, canvas, {{{}, 1, {}, read}}); });
    bench.measure(row(" in two styles"), [&] { stylize(stylizer, canvas, {{{}, 1, {}, read}, {{}, 1, {}, read}}); });
  }
}

}  // namespace limn::bench
