#include "vision/strips.h"

#include "core/ops.h"
#include "tests/catch.h"

using namespace limn;

TEST_CASE("strips: every row once, with what lies around it", "[strips]") {
  for (const std::int64_t height : {1, 2, 5, 9, 10, 64, 101})
    for (const std::int64_t most : {1, 3, 4, 7, 200})
      for (const std::int64_t halo : {0, 2, 6})
        for (const std::int64_t step : {1, 4}) {
          std::int64_t next = 0;
          for (const Strip& s : strips_of(height, most, halo, step)) {
            CHECK(s.first == next);
            CHECK(s.first % step == 0);
            CHECK(s.rows > 0);
            CHECK(s.from == std::max<std::int64_t>(s.first - halo, 0));
            CHECK(s.from + s.count == std::min(s.first + s.rows + halo, height));
            next = s.first + s.rows;
          }
          CHECK(next == height);
        }
}

TEST_CASE("a map is rewritten from its rows as they were", "[strips]") {
  const std::int64_t halo = GENERATE(0, 1, 3), most = GENERATE(1, 2, 4, 50);
  for (const std::int64_t height : {1, 2, 5, 9, 23}) {
    Tensor x = at::rand({1, 2, height, 3});
    const Tensor before = x.clone();
    const auto smoothed = [&](const Tensor& t) {  // each row is the mean of those within reach
      std::vector<Tensor> rows;
      for (std::int64_t y = 0; y < t.size(2); ++y) {
        const std::int64_t from = std::max<std::int64_t>(y - halo, 0), to = std::min(y + halo + 1, t.size(2));
        rows.push_back(t.narrow(2, from, to - from).mean(at::IntArrayRef{2}, true));
      }
      return at::cat(rows, 2);
    };
    rewrite(x, most, halo, [&](const Tensor& rows, const Strip& strip) {
      CHECK(at::equal(rows, before.narrow(2, strip.from, strip.count)));
      return smoothed(rows);
    });
    CHECK((x - smoothed(before)).abs().max().item<double>() < 1e-6);
  }
}
