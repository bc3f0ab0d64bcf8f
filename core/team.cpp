#include "core/team.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <thread>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace limn {

namespace {

// Where all wait for the last. Steps are microseconds apart, so waiting is looking; after that long, there are more
// threads than processors, and others are let run.
class Barrier {
 public:
  void wait(std::int64_t size) {
    const std::int64_t round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    for (int looks = 0; round_.load(std::memory_order_acquire) == round; ++looks)
      if (looks < kLooks)
        pause();
      else
        std::this_thread::yield();
  }

 private:
  static constexpr int kLooks = 10'000;

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  alignas(64) std::atomic<std::int64_t> arrived_{0};
  alignas(64) std::atomic<std::int64_t> round_{0};
};

struct Member {
  Barrier* barrier = nullptr;  // null outside teams
  std::int64_t rank = 0, size = 1;
};

thread_local Member self;

}  // namespace

void as_team(c10::function_ref<void()> walk) {
#ifdef _OPENMP
  if (at::get_num_threads() > 1 && !at::in_parallel_region()) {
    Barrier barrier;
#pragma omp parallel num_threads(at::get_num_threads())
    {
      self = {&barrier, omp_get_thread_num(), omp_get_num_threads()};
      walk();
      self = {};
    }
    return;
  }
#endif
  walk();
}

void share(std::int64_t count, std::int64_t grain, c10::function_ref<void(std::int64_t begin, std::int64_t end)> f) {
  if (!self.barrier) return at::parallel_for(0, count, grain, f);
  const std::int64_t most = std::max<std::int64_t>(1, grain), parts = std::min(self.size, (count + most - 1) / most);
  if (self.rank < parts) f(count * self.rank / parts, count * (self.rank + 1) / parts);
  self.barrier->wait(self.size);
}

}  // namespace limn
