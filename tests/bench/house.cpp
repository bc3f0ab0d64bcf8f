#include <ATen/ATen.h>

#include <cstdlib>

#include "apps/models.h"
#include "fusion/model.h"
#include "tests/bench/bench.h"
#include "tests/temporary.h"

namespace limn::bench {

namespace {

void bench_start(Bench& bench, const Preprocess& preprocess) {
  if (!bench.wants("house", "start to first caption")) return;
  const TemporaryFolder folder;
  const auto side = *preprocess.output_size();
  write_image(folder / "photo.jpg", resize(at::randint(256, {30, 40, 3}, at::kByte), 2 * side[0], 2 * side[1] * 4 / 3));
  const std::string threads = " --threads " + std::to_string(bench.options().threads);
  const auto run = [&](const std::string& arguments) {
    const std::string command = "'" + bench.options().program + "' " + arguments + " >" + (folder / "out").string();
    if (std::system(command.c_str()) != 0) throw Error("bench: failed: " + command);
  };
  bench.measure({.group = "house", .name = "start of the program alone (limn --version)", .memory = false},
                [&] { run("--version"); });
  bench.measure({.group = "house", .name = "start to first caption", .memory = false},
                [&] { run("caption '" + (folder / "photo.jpg").string() + "' --quiet" + threads); });
}

}  // namespace

void bench_house(Bench& bench) {
  if (!bench.wants("house")) return;
  for (const auto& [dtype, placement] : placements()) {
    const Model model = open_model(resolve_model(""), placement);
    const Captioner& captioner = *model.captioner;
    const at::ScalarType type = placement.dtype;
    const auto [height, width] = *captioner.preprocess.output_size();
    for (const std::int64_t batch : {1, 8}) {
      const Tensor pictures = at::randint(256, {batch, 3, height, width}, at::kByte);
      const Tensor pixels = captioner.preprocess.normalise(pictures).to(type);
      const auto task = [&, dtype = dtype](const char* name) {
        return Task{.group = "house",
                    .name = name,
                    .dtype = dtype,
                    .batch = batch,
                    .counted = static_cast<double>(batch),
                    .unit = "pictures"};
      };
      bench.measure(task("picture encoder of the default"), [&] { captioner.encode(pixels); });
      CaptionRequest request{.generate = captioner.defaults};
      bench.measure(task("caption by the default, its beams"), [&] { captioner(pictures, request); });
      request.generate.beams = 1;
      bench.measure(task("caption by the default, greedy"), [&] { captioner(pictures, request); });
    }
    if (dtype == "fp32") bench_start(bench, captioner.preprocess);
  }
}

}  // namespace limn::bench
