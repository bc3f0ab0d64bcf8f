#include "vision/pipeline.h"

#include <fstream>
#include <thread>

#include "core/ops.h"
#include "tests/catch.h"

using namespace limn;

namespace {

// Picture `index`, which takes a while, more so at the beginning; every seventh is broken, sizes change at 30.
Tensor make(std::size_t index) {
  std::this_thread::sleep_for(std::chrono::microseconds(index % 5 == 0 ? 900 : 100));
  if (index % 7 == 3) throw InputError("picture " + std::to_string(index) + ": is broken");
  return at::full({3, index < 30 ? 4 : 6, 5}, static_cast<std::int64_t>(index), at::kByte);
}

// Everything that `use` sees, as text.
std::string seen(int workers, std::int64_t batch) {
  std::string text;
  const bool whole = run_pipeline(
      50, make,
      [&](const PictureBatch& b) {
        for (std::size_t i = 0; i < b.indices.size(); ++i) {
          CHECK(b.pixels[static_cast<std::int64_t>(i)].eq(static_cast<std::int64_t>(b.indices[i])).all().item<bool>());
          text += std::to_string(b.indices[i]) + " ";
        }
        for (const PictureError& error : b.errors) text += "(" + error.message + ") ";
        text += "| ";
      },
      {.workers = workers, .batch = batch});
  CHECK(whole);
  return text;
}

}  // namespace

TEST_CASE("pipeline: order, batches and errors do not depend on the workers", "[vision][pipeline]") {
  const std::string one = seen(1, 8);
  CHECK_THAT(one, ContainsSubstring("0 1 2 4 5 6 7 8 (picture 3: is broken) | 9 "));
  CHECK_THAT(one, ContainsSubstring("| 30 "));  // a batch ends where the size changes
  CHECK(seen(2, 8) == one);
  CHECK(seen(7, 8) == one);
  CHECK(seen(3, 1) == seen(1, 1));
  CHECK(seen(4, 1000) == seen(1, 1000));
}

TEST_CASE("pipeline: no more pictures are ready than promised", "[vision][pipeline]") {
  std::atomic<int> made = 0;
  int used = 0, most = 0;
  run_pipeline(
      200,
      [&](std::size_t) {
        ++made;
        return at::zeros({3, 2, 2}, at::kByte);
      },
      [&](const PictureBatch& batch) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        most = std::max(most, made - used);
        used += static_cast<int>(batch.indices.size());
      },
      {.workers = 3, .batch = 4});
  CHECK(used == 200);
  CHECK(most <= 4 + 4 + 2 * 3);
}

TEST_CASE("pipeline: a stop ends it, an exception of the user's passes through", "[vision][pipeline]") {
  std::atomic<bool> stop = false;
  int batches = 0;
  const auto quick = [](std::size_t) { return at::zeros({3, 2, 2}, at::kByte); };
  CHECK_FALSE(run_pipeline(1000, quick, [&](const PictureBatch&) { stop = ++batches == 3; },
                           {.workers = 2, .batch = 2, .stop = &stop}));
  CHECK(batches == 3);
  CHECK_THROWS_WITH(run_pipeline(1000, quick, [](const PictureBatch&) { throw WriteError("disk: is full"); }),
                    "disk: is full");
  CHECK(run_pipeline(0, quick, [](const PictureBatch&) { FAIL("nothing to use"); }));
  CHECK_THROWS_AS(run_pipeline(1, quick, [](const PictureBatch&) {}, {.batch = 0}), InputError);
}

TEST_CASE("pipeline: files, with a missing one among them", "[vision][pipeline]") {
  std::string pattern = (std::filesystem::temp_directory_path() / "limn-pipeline-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()));
  const std::filesystem::path folder = pattern;
  write_image(folder / "a.png", at::full({9, 7, 3}, 50, at::kByte));
  write_image(folder / "c.png", at::full({5, 8, 3}, 70, at::kByte));
  const Preprocess square{.size = {.kind = SizeRule::Kind::exact, .height = 6, .width = 6}};
  PictureBatch result;
  run_pipeline(3, picture_maker({folder / "a.png", folder / "b.png", folder / "c.png"}, square),
               [&](const PictureBatch& batch) { result = batch; });
  std::filesystem::remove_all(folder);
  CHECK(result.indices == std::vector<std::size_t>{0, 2});
  REQUIRE(result.pixels.sizes() == at::IntArrayRef{2, 3, 6, 6});
  CHECK(result.pixels[1].eq(70).all().item<bool>());
  REQUIRE(result.errors.size() == 1);
  CHECK(result.errors[0].index == 1);
  CHECK_THAT(result.errors[0].message, ContainsSubstring("b.png"));
}
