#include "apps/doctor.h"

#include <ATen/Parallel.h>
#include <torch/version.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <string_view>

#include "apps/caption_output.h"
#include "apps/models.h"
#include "apps/run.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/model.h"

namespace limn {

namespace {

std::string text_of(const char* format, double value) {
  char text[40];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

constexpr std::pair<const char*, GemmKind> kKinds[] = {
    {"fp32", GemmKind::fp32}, {"bf16", GemmKind::bf16}, {"fp16", GemmKind::fp16}, {"int8", GemmKind::int8}};

std::map<std::string, double> measure_rates(at::Device device, double seconds) {
  std::map<std::string, double> gflops;
  for (const auto& [name, kind] : kKinds) gflops[name] = measure_gemm(kind, device, seconds) * 1e-9;
  return gflops;
}

/// The names that NVIDIA's driver gives its cards, in the order of their bus addresses.
std::vector<std::string> driver_names() {
  std::vector<std::filesystem::path> cards;
  std::error_code ignored;
  for (const auto& card : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", ignored))
    cards.push_back(card.path());
  std::sort(cards.begin(), cards.end());
  std::vector<std::string> names;
  for (const auto& card : cards) {
    std::ifstream lines(card / "information");
    for (std::string line; std::getline(lines, line);)
      if (line.rfind("Model:", 0) == 0) names.push_back(line.substr(line.find_first_not_of(" \t", 6)));
  }
  return names;
}

std::vector<CudaDevice> cuda_devices(double seconds) {
  const int count = at::hasCUDA() ? at::getNumGPUs() : 0;
  std::vector<std::string> names = driver_names();
  if (static_cast<int>(names.size()) != count) names.assign(count, "");  // some are hidden: which, it does not tell
  std::vector<CudaDevice> devices;
  for (int i = 0; i < count; ++i)
    devices.push_back({names[i], measure_rates(at::Device(at::kCUDA, static_cast<at::DeviceIndex>(i)), seconds)});
  return devices;
}

Diagnosis examine(double seconds) {
  Diagnosis d;
  d.versions = {{"limn", LIMN_VERSION},
                {"LibTorch", TORCH_VERSION},
                {"OpenCV", LIMN_OPENCV_VERSION},
                {"SentencePiece", LIMN_SENTENCEPIECE_VERSION},
                {"ICU", LIMN_ICU_VERSION}};
  d.processor = describe_processor();
  d.blas = blas_library();
  d.slow_blas = is_reference_blas(d.blas);
  d.parallel_region = measure_parallel_region();
  const char* policy = std::getenv("OMP_WAIT_POLICY");
  d.passive_wait = policy && (policy[0] == 'p' || policy[0] == 'P');
  d.gflops = measure_rates(at::kCPU, seconds);
  d.read_one = measure_read_bandwidth(1, seconds) * 1e-9;
  d.read_all = measure_read_bandwidth(d.processor.threads, seconds) * 1e-9;
  d.cuda_build = at::Context::hasCUDART();
  d.devices = cuda_devices(seconds);
  try {
    const std::filesystem::path folder = resolve_model("");
    open_model(folder);
    d.model = folder.string();
  } catch (const CheckpointError& error) {
    d.model_problem = error.what();
  }
  return d;
}

void print_rates(const std::map<std::string, double>& gflops, std::ostream& out) {
  const char* separator = "";
  for (const auto& [name, kind] : kKinds) {
    const double rate = gflops.at(name);
    out << separator << name << " " << (rate > 0 ? text_of("%.0f", rate) : "-");
    separator = ", ";
  }
}

void print(const Diagnosis& d, std::ostream& out) {
  const char* separator = "versions   ";
  for (const auto& [name, version] : d.versions) {
    out << separator << name << " " << version;
    separator = ", ";
  }
  const Processor& p = d.processor;
  out << "\nprocessor  " << (p.name.empty() ? "unknown" : p.name) << "; " << p.cores << " cores, " << p.threads
      << " threads in use, load " << text_of("%.1f", p.load) << "\n           ";
  for (const std::string& extension : p.instructions) out << extension << " ";
  out << "(LibTorch's kernels: " << p.kernels << ")\n";
  out << "BLAS       " << (d.blas.empty() ? "inside LibTorch" : d.blas) << (d.slow_blas ? " (reference)" : "") << "\n";
  out << "products   ";
  print_rates(d.gflops, out);
  out << " GFLOP/s\n";
  out << "memory     read " << text_of("%.1f", d.read_one) << " GB/s by one thread, " << text_of("%.1f", d.read_all)
      << " by " << p.threads << "; " << text_of("%.1f", static_cast<double>(p.memory_free) * 1e-9) << " GB free\n";
  out << "parallel   " << text_of("%.3f", d.parallel_region * 1e3) << " ms for an empty region\n";
  out << "CUDA       ";
  if (d.devices.empty()) out << (d.cuda_build ? "no usable device\n" : "none in this build of LibTorch\n");
  for (std::size_t i = 0; i < d.devices.size(); ++i) {
    out << (i ? "           " : "") << "cuda:" << i << " " << d.devices[i].name << ": ";
    print_rates(d.devices[i].gflops, out);
    out << " GFLOP/s\n";
  }
  out << "model      " << (d.model.empty() ? "the default cannot be used" : printable(d.model)) << "\n";
  const auto advice = advise(d);
  out << "\nadvice\n";
  for (const std::string& sentence : advice) out << "  - " << sentence << "\n";
  if (advice.empty()) out << "  nothing to improve\n";
}

Json rates_json(const std::map<std::string, double>& gflops) {
  Json rates = Json::object();
  for (const auto& [name, rate] : gflops) rates.set(name, rate > 0 ? Json(rate) : Json());
  return rates;
}

Json to_json(const Diagnosis& d) {
  Json versions = Json::object(), devices = Json::array();
  for (const auto& [name, version] : d.versions) versions.set(name, version);
  for (const CudaDevice& device : d.devices)
    devices.push(Json::object({{"name", device.name}, {"gflops", rates_json(device.gflops)}}));
  const Processor& p = d.processor;
  return Json::object({{"versions", versions},
                       {"processor", Json::object({{"name", p.name},
                                                   {"instructions", Json::list(p.instructions)},
                                                   {"kernels", p.kernels},
                                                   {"cores", p.cores},
                                                   {"threads", p.threads},
                                                   {"load", p.load},
                                                   {"memory_free", p.memory_free}})},
                       {"blas", Json::object({{"library", d.blas}, {"reference", d.slow_blas}})},
                       {"gflops", rates_json(d.gflops)},
                       {"read_gb_per_s", Json::object({{"one_thread", d.read_one}, {"all_threads", d.read_all}})},
                       {"parallel_region_ms", d.parallel_region * 1e3},
                       {"cuda_build", d.cuda_build},
                       {"cuda", devices},
                       {"model", d.model.empty() ? Json() : Json(d.model)},
                       {"advice", Json::list(advise(d))}});
}

}  // namespace

std::vector<std::string> advise(const Diagnosis& d) {
  std::vector<std::string> advice;
  const auto rate = [&](const char* name) { return d.gflops.count(name) ? d.gflops.at(name) : 0.0; };
  const double fp32 = rate("fp32");
  const Processor& p = d.processor;
  if (d.slow_blas)
    advice.push_back("Matrix products run on the reference BLAS (" + d.blas +
                     "), about twenty times slower than need be: LibTorch must come first on the link line, or install "
                     "libopenblas0-pthread.");
  const bool busy = p.load > 1.25 * p.cores;
  if (busy)
    advice.push_back("Other programs keep the processor busy (load " + text_of("%.1f", p.load) + " on " +
                     std::to_string(p.cores) + " cores): the rates above are lower than on an idle machine.");
  if (!d.passive_wait && (busy || d.parallel_region > 1e-3))
    advice.push_back(
        "On a shared machine set OMP_WAIT_POLICY=PASSIVE in the environment: threads that spin at barriers lose whole "
        "scheduler slices.");
  for (const char* name : {"bf16", "fp16"}) {
    const double ratio = fp32 > 0 ? rate(name) / fp32 : 0;
    if (ratio > 0 && ratio < 0.9)
      advice.push_back(std::string(name) + " is " + text_of("%.1f", 1 / ratio) +
                       " times slower than fp32 on this processor: leave --dtype at fp32 (auto does).");
    if (ratio > 1.2)
      advice.push_back(std::string(name) + " is " + text_of("%.1f", ratio) +
                       " times faster than fp32 on this processor: try --dtype " + name + ".");
  }
  if (p.threads < p.cores)
    advice.push_back("Tensor operations use " + std::to_string(p.threads) + " of " + std::to_string(p.cores) +
                     " cores: --threads " + std::to_string(p.cores) +
                     " uses all (no gain where two of them are one core's hardware threads).");
  if (d.read_one > 0 && p.threads > 1 && d.read_all < 1.15 * d.read_one)
    advice.push_back(
        "One thread reads memory about as fast as all: captions' words, which wait for memory, gain little from more "
        "threads.");
  if (d.cuda_build && d.devices.empty())
    advice.push_back(
        "LibTorch has CUDA kernels, but no usable device: everything runs on the CPU (check nvidia-smi and the "
        "driver).");
  if (p.memory_free > 0 && p.memory_free < 2'000'000'000)
    advice.push_back("Only " + text_of("%.1f", static_cast<double>(p.memory_free) * 1e-9) +
                     " GB of memory are free: use small batches (--batch 1).");
  if (d.model.empty() && !d.model_problem.empty()) advice.push_back(d.model_problem);
  return advice;
}

int doctor(const DoctorOptions& options, std::ostream& out) {
  if (options.threads > 0) at::set_num_threads(options.threads);
  const Diagnosis diagnosis = examine(options.seconds);
  if (options.json)
    out << to_json(diagnosis).dump() << "\n";
  else
    print(diagnosis, out);
  flush_results(out);
  return exit_done;
}

}  // namespace limn
