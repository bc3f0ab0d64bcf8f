#pragma once

#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "apps/machine.h"

namespace limn {

/// A CUDA device.
struct CudaDevice {
  std::string name;                      ///< "" where the driver does not tell
  std::map<std::string, double> gflops;  ///< by dtype
};

/// What `limn doctor` finds out.
struct Diagnosis {
  std::vector<std::pair<std::string, std::string>> versions;  ///< library and version, Limn first
  Processor processor;
  std::string blas;                      ///< blas_library()
  bool slow_blas = false;                ///< is_reference_blas(blas)
  std::map<std::string, double> gflops;  ///< of the CPU, by dtype; 0: does not run here
  double read_one = 0, read_all = 0;     ///< memory read by one thread and by all, GB/s
  double parallel_region = 0;            ///< seconds
  bool passive_wait = false;             ///< OMP_WAIT_POLICY=PASSIVE is set
  bool cuda_build = false;               ///< LibTorch has CUDA kernels
  std::vector<CudaDevice> devices;
  std::string model;          ///< folder of the model that commands use by default; "" where absent
  std::string model_problem;  ///< why it is absent
};

/// What to do about a diagnosis, one sentence each; empty where nothing needs doing.
std::vector<std::string> advise(const Diagnosis& diagnosis);

struct DoctorOptions {
  int threads = 0;       ///< of tensor operations; 0: LibTorch's choice
  double seconds = 0.3;  ///< measuring time per figure
  bool json = false;
};

/// Looks the machine over: versions, BLAS, rates of matrix products, memory, CUDA devices, the default model; advice.
/// @return exit_done
int doctor(const DoctorOptions& options, std::ostream& out);

}  // namespace limn
