#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace limn {

/// The processor, as the operating system and LibTorch see it.
struct Processor {
  std::string name;                       ///< "" where the system does not tell
  std::vector<std::string> instructions;  ///< the vector extensions that matter here, e.g. avx2, avx512_bf16
  std::string kernels;                    ///< the set that LibTorch's kernels use, e.g. AVX2
  int cores = 0;
  int threads = 0;               ///< of tensor operations
  double load = 0;               ///< programs that wanted to run, mean of the last minute
  std::int64_t memory_free = 0;  ///< bytes that programs can still get; 0 where the system does not tell
};

Processor describe_processor();

/// The library file whose matrix product LibTorch ends up calling: the first in search order that exports `sgemm_`.
/// @return its path; "" where none exports one (LibTorch's own, hidden inside)
std::string blas_library();

/// Whether that file is a reference BLAS, twenty times slower than an optimised one. Follows symbolic links.
bool is_reference_blas(const std::string& library);

/// Lets the kernel forget the most memory that this process ever held.
void forget_peak_memory();
/// The most memory since then, in bytes; 0 where the system does not tell.
double peak_memory();
/// The memory that this process holds now, in bytes; 0 where the system does not tell.
double present_memory();

/// Arithmetic of the measured products.
enum class GemmKind { fp32, bf16, fp16, int8 };

/// The best rate of [577 768] x [768 3072] on the CPU, of [8192 8192] x [8192 8192] elsewhere; transformers' MLPs in
/// ViT-B/16 at 384 are of the first shape. On the CPU LibTorch's plain product and the one with packed weights are both
/// timed, and the faster counts.
/// @param seconds  measuring time; at least three products are timed
/// @return operations per second (two per multiplication); 0 where this kind does not run there
double measure_gemm(GemmKind kind, at::Device device = at::kCPU, double seconds = 0.3);

/// The best rate at which memory far larger than the caches is read, in bytes per second.
/// @param threads  that read, each its own part
double measure_read_bandwidth(int threads, double seconds = 0.3);

/// The time of one parallel region with nothing to do, median, in seconds: microseconds on an idle machine, a
/// scheduler's slice where other programs hold the cores and OpenMP's threads spin.
double measure_parallel_region();

}  // namespace limn
