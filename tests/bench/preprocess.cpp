#include "vision/preprocess.h"

#include <ATen/ATen.h>

#include <filesystem>

#include "core/files.h"
#include "tests/bench/bench.h"
#include "tests/temporary.h"

namespace limn::bench {

void bench_preprocess(Bench& bench) {
  if (!bench.wants("preprocess")) return;
  // Smooth blobs as photographs have them, 12 megapixels.
  at::manual_seed(0);
  const Tensor small = at::randint(256, {94, 125, 3}, at::kByte);
  const Image photo{.width = 4000, .height = 3000, .pixels = resize(small, 3000, 4000)};
  const TemporaryFolder folder;
  write_image(folder / "photo.jpg", photo.pixels);
  const std::string bytes = read_file(folder / "photo.jpg");
  const std::span<const std::uint8_t> file(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());

  const Preprocess preprocess{.size = {.kind = SizeRule::Kind::exact, .height = 384, .width = 384},
                              .mean = {0.48, 0.46, 0.41},
                              .deviation = {0.27, 0.26, 0.28}};
  const Tensor ready = preprocess(photo).unsqueeze(0);  // uint8 [1 3 384 384]
  const auto task = [](const char* name) { return Task{.group = "preprocess", .name = name, .dtype = "uint8"}; };
  bench.measure(task("12-megapixel JPEG to 384 x 384 pixels"),
                [&] { preprocess.normalise(preprocess(decode(file, "photo")).unsqueeze(0)); });
  bench.measure(task("  decode"), [&] { decode(file, "photo"); });
  bench.measure(task("  resize, bicubic"), [&] { preprocess(photo); });
  bench.measure(task("  normalise"), [&] { preprocess.normalise(ready); });
}

}  // namespace limn::bench
