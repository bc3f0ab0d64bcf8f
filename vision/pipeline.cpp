#include "vision/pipeline.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "core/ops.h"

namespace limn {
namespace {

// One input made ready, or why not.
struct Ready {
  Tensor pixels;  // [3 H W]
  std::string error;
};

// Inputs on their way from the workers to the caller, who takes them in order. Plain threads, not TBB's pipeline: the
// last stage has to stay on the caller's thread, where the model runs with LibTorch's own threads.
class Conveyor {
 public:
  Conveyor(std::size_t count, std::size_t ahead, const std::atomic<bool>* stop)
      : count_(count), ahead_(ahead), stop_(stop) {}

  // The next input to be made ready; waits while too many are ahead of the caller. `count` where none is left.
  std::size_t claim() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ || next_ >= count_ || next_ < taken_ + ahead_; });
    if (ended_ || next_ >= count_ || stopped()) return count_;
    return next_++;
  }

  void put(std::size_t index, Ready ready) {
    const std::lock_guard lock(mutex_);
    ready_.emplace(index, std::move(ready));
    changed_.notify_all();
  }

  // The result of input `index`; nothing where the pipeline was stopped.
  std::optional<Ready> take(std::size_t index) {
    std::unique_lock lock(mutex_);
    // A stop comes from a signal handler, which cannot notify: look again now and then.
    while (!changed_.wait_for(lock, std::chrono::milliseconds(50), [&] { return ready_.count(index) > 0; }))
      if (stopped()) return std::nullopt;
    if (stopped()) return std::nullopt;
    Ready ready = std::move(ready_.extract(index).mapped());
    taken_ = index + 1;
    changed_.notify_all();
    return ready;
  }

  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

 private:
  bool stopped() const { return stop_ && stop_->load(std::memory_order_relaxed); }

  const std::size_t count_, ahead_;
  const std::atomic<bool>* stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::size_t, Ready> ready_;
  std::size_t next_ = 0, taken_ = 0;
  bool ended_ = false;
};

void work(Conveyor& conveyor, std::size_t count, const std::function<Tensor(std::size_t)>& make) {
  const at::NoGradGuard no_gradient;
  for (std::size_t index = conveyor.claim(); index < count; index = conveyor.claim()) {
    Ready ready;
    try {
      ready.pixels = make(index);
    } catch (const std::exception& error) {
      ready.error = error.what();
    }
    if (!ready.pixels.defined() && ready.error.empty()) ready.error = "no picture";
    conveyor.put(index, std::move(ready));
  }
}

// The workers, ended and joined whatever happens.
struct Crew {
  Conveyor& conveyor;
  std::vector<std::thread> threads;
  ~Crew() {
    conveyor.end();
    for (auto& thread : threads) thread.join();
  }
};

// Collects consecutive inputs until they make a batch.
struct Collector {
  const PipelineOptions& options;
  const std::function<void(const PictureBatch&)>& use;
  PictureBatch batch = {};
  std::vector<Tensor> pictures = {};  // [3 H W] each

  void add(std::size_t index, Ready ready) {
    if (!ready.error.empty()) {
      batch.errors.push_back({index, std::move(ready.error)});
      return;
    }
    if (!pictures.empty() && pictures.front().sizes() != ready.pixels.sizes()) flush();
    pictures.push_back(std::move(ready.pixels));
    batch.indices.push_back(index);
    if (static_cast<std::int64_t>(pictures.size()) == options.batch) flush();
  }

  void flush() {
    if (pictures.empty() && batch.errors.empty()) return;
    if (!pictures.empty()) batch.pixels = at::stack(pictures);  // [B 3 H W]
    if (options.pinned && batch.pixels.defined()) batch.pixels = batch.pixels.pin_memory();
    pictures.clear();
    use(std::exchange(batch, {}));
  }
};

}  // namespace

bool run_pipeline(std::size_t count, const std::function<Tensor(std::size_t index)>& make,
                  const std::function<void(const PictureBatch&)>& use, const PipelineOptions& options) {
  if (options.batch < 1)
    throw InputError("pipeline: batch: got " + std::to_string(options.batch) + ", expected at least 1");
  const std::size_t cores = std::max(std::thread::hardware_concurrency(), 1u);
  const std::size_t workers = std::min(options.workers > 0 ? static_cast<std::size_t>(options.workers) : cores,
                                       std::max<std::size_t>(count, 1));
  Conveyor conveyor(count, static_cast<std::size_t>(options.batch) + 2 * workers, options.stop);
  Crew crew{conveyor, {}};
  for (std::size_t i = 0; i < workers; ++i) crew.threads.emplace_back([&] { work(conveyor, count, make); });
  Collector collector{options, use};
  for (std::size_t index = 0; index < count; ++index) {
    std::optional<Ready> ready = conveyor.take(index);
    if (!ready) return false;
    collector.add(index, std::move(*ready));
  }
  collector.flush();
  return true;
}

std::function<Tensor(std::size_t index)> picture_maker(std::vector<std::filesystem::path> files, Preprocess preprocess,
                                                       const DecodeOptions& decode) {
  preprocess.threads = 1;  // the workers are the threads
  return [files = std::move(files), preprocess, decode](std::size_t index) {
    return preprocess(read_image(files.at(index), decode));
  };
}

}  // namespace limn
