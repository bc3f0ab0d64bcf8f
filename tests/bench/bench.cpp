#include "tests/bench/bench.h"

#include <ATen/ATen.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "apps/machine.h"
#include "core/int8_product.h"
#include "core/packed_linear.h"

namespace limn::bench {

namespace {

constexpr double kShort = 0.3;  // seconds

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Processor time of this process and of the programs that it waited for.
double processor_time() {
  double seconds = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    getrusage(who, &usage);
    for (const timeval& time : {usage.ru_utime, usage.ru_stime})
      seconds += static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  }
  return seconds;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::string format(const char* pattern, double value) {
  char text[40];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

}  // namespace

std::vector<std::pair<std::string, Placement>> placements() {
  std::vector<std::pair<std::string, Placement>> placements{{"fp32", {}}};
  if (computes_well(at::kBFloat16)) placements.push_back({"bf16", {.dtype = at::kBFloat16}});
  if (Int8Product::available()) placements.push_back({"int8", {.int8 = true}});
  return placements;
}

Bench::Bench(Options options, std::ostream& out) : options_(std::move(options)), out_(out) {
  char line[160];
  std::snprintf(line, sizeof line, "%-46s %-5s %5s %10s %10s %10s %6s %18s %8s\n", "row", "dtype", "batch", "median ms",
                "best ms", "CPU ms", "floor", "rate", "peak MB");
  out_ << line << std::flush;
}

bool Bench::wants(const std::string& group, const std::string& name) const {
  const auto& only = options_.only;
  return only.empty() || std::any_of(only.begin(), only.end(), [&](const std::string& asked) {
           return asked == group || (name.empty() ? asked.rfind(group + ":", 0) == 0
                                                  : (group + ":" + name).find(asked) != std::string::npos);
         });
}

double Bench::floor_rate(Floor floor, const std::string& dtype, double seconds) {
  if (floor == Floor::reading) return measure_read_bandwidth(options_.threads, seconds);
  return measure_gemm(dtype == "bf16" ? GemmKind::bf16 : GemmKind::fp32, at::kCPU, seconds);
}

void Bench::measure(const Task& task, const std::function<void()>& work) {
  if (!wants(task.group, task.name + ", " + task.dtype + ", " + std::to_string(task.batch))) return;
  const at::NoGradGuard no_grad;
  forget_peak_memory();
  work();
  std::vector<double> times, processor_times, shares;
  double peak = peak_memory();
  for (int run = 0; run < options_.repeat; ++run) {
    const double rate = task.floor == Floor::none ? 0 : floor_rate(task.floor, task.dtype, 0.3);
    if (rate > 0 && (times.empty() || times.back() < kShort)) work();  // the floor's measurement left its own caches
    const double start = now(), processor_start = processor_time();
    work();
    times.push_back(now() - start);
    processor_times.push_back(processor_time() - processor_start);
    if (rate > 0) shares.push_back(task.amount / rate / times.back());
  }
  if (!task.memory) peak = 0;
  if (task.memory && task.floor == Floor::none)
    peak = std::max(peak, peak_memory());  // floors hold memory of their own
  const Row row{task,
                median(times),
                *std::min_element(times.begin(), times.end()),
                median(processor_times),
                shares.empty() ? 0 : median(shares),
                peak};
  const std::string share = row.share > 0 ? format("%.0f %%", 100 * row.share) : "",
                    rate = task.counted > 0 ? format("%.1f ", task.counted / row.median) + task.unit + "/s" : "";
  char line[160];
  std::snprintf(line, sizeof line, "%-46s %-5s %5lld %10.2f %10.2f %10.2f %6s %18s %8.0f\n",
                (task.group + ": " + task.name).c_str(), task.dtype.c_str(), static_cast<long long>(task.batch),
                row.median * 1e3, row.best * 1e3, row.processor * 1e3, share.c_str(), rate.c_str(), row.peak * 1e-6);
  out_ << line << std::flush;
  rows_.push_back(row);
}

double Bench::seconds(const std::string& name, const std::string& dtype, std::int64_t batch) const {
  for (const Row& row : rows_)
    if (row.task.name == name && row.task.dtype == dtype && row.task.batch == batch) return row.median;
  return 0;
}

void Bench::compare(const std::string& what, double dividend, double divisor) {
  if (!(dividend > 0 && divisor > 0)) return;
  out_ << "  " << what << ": " << format("%.2f", dividend / divisor) << "\n" << std::flush;
  ratios_.set(what, dividend / divisor);
}

Json Bench::json() const {
  Json rows = Json::array();
  for (const Row& row : rows_) {
    Json item = Json::object({{"group", row.task.group},
                              {"name", row.task.name},
                              {"dtype", row.task.dtype},
                              {"batch", row.task.batch},
                              {"median_ms", row.median * 1e3},
                              {"best_ms", row.best * 1e3},
                              {"cpu_ms", row.processor * 1e3},
                              {"peak_bytes", row.peak}});
    if (row.share > 0) item.set("share_of_floor", row.share);
    if (row.task.counted > 0) item.set(std::string(row.task.unit) + "_per_second", row.task.counted / row.median);
    rows.push(item);
  }
  const Processor processor = describe_processor();
  return Json::object({{"processor", processor.name},
                       {"kernels", processor.kernels},
                       {"threads", options_.threads},
                       {"repeat", options_.repeat},
                       {"load", processor.load},
                       {"ratios", ratios_},
                       {"rows", rows}});
}

}  // namespace limn::bench
