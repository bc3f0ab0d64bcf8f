#include "core/lanes.h"

namespace limn {

Lanes widest_lanes() {
#if defined(__x86_64__)
  static const Lanes widest = [] {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
      return Lanes::wide;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
      return Lanes::narrow;
    return Lanes::none;
  }();
  return widest;
#else
  return Lanes::none;
#endif
}

}  // namespace limn
