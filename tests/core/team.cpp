#include "core/team.h"

#include <ATen/Parallel.h>

#include <array>

#include "tests/catch.h"

using namespace limn;

namespace {

// Each step turns the numbers of the step before round and adds one: whoever ran ahead would read too early.
std::vector<int> walked(std::int64_t count, std::int64_t grain, int steps) {
  std::array<std::vector<int>, 2> numbers;
  for (auto& some : numbers) some.assign(static_cast<std::size_t>(count), 0);
  as_team([&] {
    for (int step = 0; step < steps; ++step)
      share(count, grain, [&](std::int64_t begin, std::int64_t end) {
        const std::vector<int>& last = numbers[step % 2];
        for (std::int64_t i = begin; i < end; ++i) numbers[(step + 1) % 2][i] = last[count - 1 - i] + 1;
      });
  });
  return numbers[steps % 2];
}

}  // namespace

TEST_CASE("a team shares each step's work and goes on when all have done theirs", "[kernels]") {
  const int threads = at::get_num_threads();
  for (const int size : {1, 2, 7})  // more than there are processors, too
    for (const std::int64_t count : {1, 5, 1000})
      for (const std::int64_t grain : {1, 300, 5000}) {
        CAPTURE(size, count, grain);
        at::set_num_threads(size);
        CHECK(walked(count, grain, 300) == std::vector<int>(static_cast<std::size_t>(count), 300));
      }
  at::set_num_threads(threads);
}

TEST_CASE("a team inside a parallel region is its one thread", "[kernels]") {
  std::array<std::vector<int>, 2> results;
  at::parallel_for(0, 2, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) results[i] = walked(20, 1, 10);
  });
  for (const auto& result : results) CHECK(result == std::vector<int>(20, 10));
}
