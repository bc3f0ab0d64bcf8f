#include "apps/machine.h"

#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/fbgemm_linear_int8_weight_fp32_activation.h>
#include <ATen/ops/fbgemm_linear_quantize_weight.h>
#include <ATen/ops/fbgemm_pack_quantized_matrix.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <thread>

#include "core/ops.h"
#include "core/packed_linear.h"

namespace limn {

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// The shortest of at least three runs that together take `seconds`; the first run, a warm-up, does not count.
double shortest_run(const std::function<void()>& work, double seconds) {
  work();
  double best = 1e9;
  const double end = now() + seconds;
  for (int run = 0; run < 3 || now() < end; ++run) {
    const double start = now();
    work();
    best = std::min(best, now() - start);
  }
  return best;
}

/// Reads `words` (a multiple of 32) as four streams side by side, which several processors need for their full rate.
__attribute__((target_clones("avx512f", "avx2", "default"))) std::uint64_t sum_of(const std::uint64_t* begin,
                                                                                  std::int64_t words) {
  using Line = std::uint64_t __attribute__((vector_size(64)));
  Line sums[4] = {}, line;
  const std::int64_t part = words / 4;
  for (std::int64_t k = 0; k < part; k += 8)
    for (int stream = 0; stream < 4; ++stream) {
      std::memcpy(&line, begin + stream * part + k, sizeof line);
      sums[stream] += line;
    }
  std::uint64_t sum = 0;
  for (const Line& lanes : sums)
    for (int i = 0; i < 8; ++i) sum += lanes[i];
  return sum;
}

/// LibTorch announces that its int8 products will go; nobody who asks for a measurement needs to know.
struct IgnoreWarnings : c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

/// x [T D] times an int8 weight [F D], by FBGEMM's kernels.
std::function<void()> int8_product(const Tensor& x, const Tensor& weight) {
  const auto [quantized, offsets, scale, zero] = at::fbgemm_linear_quantize_weight(weight);
  const Tensor packed = at::fbgemm_pack_quantized_matrix(quantized), bias = at::zeros({weight.size(0)});
  return [=, quantized = quantized, offsets = offsets, scale = scale, zero = zero] {
    at::fbgemm_linear_int8_weight_fp32_activation(x, quantized, packed, offsets, scale, zero, bias);
  };
}

/// The value of a line "name : value" in a file like /proc/cpuinfo; "" where absent.
std::string value_of(const char* file, const std::string& name) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(name, 0) != 0) continue;
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const auto begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

std::vector<std::string> vector_extensions() {
  static const char* const matter[] = {"sse4_2",   "avx",      "f16c",        "fma",         "avx2",
                                       "avx_vnni", "avx512f",  "avx512_vnni", "avx512_bf16", "avx512_fp16",
                                       "amx_bf16", "amx_int8", "amx_tile",    "asimd",       "asimdhp",
                                       "asimddp",  "bf16",     "i8mm",        "sve"};
  std::string flags = value_of("/proc/cpuinfo", "flags");
  if (flags.empty()) flags = value_of("/proc/cpuinfo", "Features");
  std::vector<std::string> found;
  std::istringstream words(flags);
  for (std::string word; words >> word;)
    if (std::find(std::begin(matter), std::end(matter), word) != std::end(matter)) found.push_back(word);
  return found;
}

}  // namespace

Processor describe_processor() {
  Processor processor;
  processor.name = value_of("/proc/cpuinfo", "model name");
  processor.instructions = vector_extensions();
  processor.kernels = at::get_cpu_capability();
  processor.cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  processor.threads = at::get_num_threads();
  double load[1] = {0};
  if (getloadavg(load, 1) == 1) processor.load = load[0];
  const std::string available = value_of("/proc/meminfo", "MemAvailable");  // "123456 kB"
  processor.memory_free = std::strtoll(available.c_str(), nullptr, 10) * 1024;
  return processor;
}

std::string blas_library() {
  void* product = dlsym(RTLD_DEFAULT, "sgemm_");
  Dl_info info{};
  return product && dladdr(product, &info) && info.dli_fname ? info.dli_fname : "";
}

bool is_reference_blas(const std::string& library) {
  if (library.empty()) return false;
  std::error_code ignored;
  const auto file = std::filesystem::weakly_canonical(library, ignored);
  // Debian: libblas.so.3 -> …/blas/libblas.so.3 (reference), …/openblas-pthread/libblas.so.3 (optimised).
  return file.filename().string().rfind("libblas.", 0) == 0 &&
         file.parent_path().filename().string().find("openblas") == std::string::npos &&
         file.parent_path().filename().string().find("blis") == std::string::npos &&
         file.parent_path().filename().string().find("atlas") == std::string::npos;
}

double measure_gemm(GemmKind kind, at::Device device, double seconds) {
  const at::NoGradGuard no_grad;
  IgnoreWarnings quiet;
  const c10::WarningUtils::WarningHandlerGuard guard(&quiet);
  const bool cpu = device.is_cpu();
  const std::int64_t T = cpu ? 577 : 8192, D = cpu ? 768 : 8192, F = cpu ? 3072 : 8192;
  try {
    const Tensor x = at::ones({T, D}, device), weight = at::ones({F, D}, device);
    std::function<void()> product;
    if (kind == GemmKind::int8) {
      if (!cpu) return 0;
      product = int8_product(x, weight);
    } else {
      const auto type = kind == GemmKind::fp32 ? at::kFloat : kind == GemmKind::bf16 ? at::kBFloat16 : at::kHalf;
      product = [x = x.to(type), weight = weight.to(type), device, cpu] {
        at::linear(x, weight);
        if (!cpu) at::accelerator::synchronizeDevice(device.index());
      };
    }
    double shortest = shortest_run(product, seconds);
    if (cpu && kind != GemmKind::int8) {  // Limn's other way to the same product
      const auto type = kind == GemmKind::fp32 ? at::kFloat : kind == GemmKind::bf16 ? at::kBFloat16 : at::kHalf;
      const Tensor rows = x.to(type);
      PackedLinear packed(weight.to(type));
      const auto packed_product = [&] { return packed(rows, Tensor(), PackedActivation::none); };
      if (packed_product().defined()) shortest = std::min(shortest, shortest_run(packed_product, seconds));
    }
    return 2.0 * static_cast<double>(T * D * F) / shortest;
  } catch (const c10::Error&) {  // this build or device has no kernel for it
    return 0;
  }
}

double measure_read_bandwidth(int threads, double seconds) {
  constexpr std::int64_t kWords = std::int64_t{1} << 25;  // 256 MiB
  const Tensor memory = at::zeros({kWords}, at::kLong);  // every page is really there, and as large as those of weights
  const auto* words = static_cast<const std::uint64_t*>(memory.const_data_ptr());
  const std::int64_t part = kWords / threads / 32 * 32;
  std::vector<std::uint64_t> sums(threads);
  const auto read = [&] {
    std::vector<std::thread> readers;
    for (int i = 0; i < threads; ++i) readers.emplace_back([&, i] { sums[i] = sum_of(words + i * part, part); });
    for (std::thread& reader : readers) reader.join();
  };
  const double best = shortest_run(read, seconds);
  volatile std::uint64_t kept = sums[0];  // the sums are used: the loop cannot be left out
  (void)kept;
  return static_cast<double>(part * threads * 8) / best;
}

double measure_parallel_region() {
  std::vector<double> times;
  for (int run = 0; run < 21; ++run) {
    const double start = now();
    at::parallel_for(0, at::get_num_threads(), 1, [](std::int64_t, std::int64_t) {});
    times.push_back(now() - start);
  }
  std::nth_element(times.begin(), times.begin() + 10, times.end());
  return times[10];
}

void forget_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

namespace {

double status_bytes(const std::string& field) {
  std::ifstream lines("/proc/self/status");
  for (std::string line; std::getline(lines, line);)
    if (line.rfind(field, 0) == 0) return std::strtod(line.c_str() + field.size(), nullptr) * 1024;
  return 0;
}

}  // namespace

double peak_memory() { return status_bytes("VmHWM:"); }

double present_memory() { return status_bytes("VmRSS:"); }

}  // namespace limn
