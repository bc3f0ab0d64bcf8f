#include "core/lanes.h"

namespace limn {

Lanes widest_lanes() {
#if defined(__x86_64__)
  static const Lanes widest = [] {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
      return Lanes::wide;
    // Whatever has AVX2 has F16C, a name that clang 14 does not know here.
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Lanes::narrow;
    return Lanes::none;
  }();
  return widest;
#else
  return Lanes::none;
#endif
}

}  // namespace limn
