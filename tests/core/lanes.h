#pragma once

#include "core/lanes.h"
#include "core/ops.h"
#include "tests/catch.h"

namespace limn {

inline std::vector<Lanes> lanes_here() {
  std::vector<Lanes> all;
  if (widest_lanes() >= Lanes::narrow) all.push_back(Lanes::narrow);
  if (widest_lanes() == Lanes::wide) all.push_back(Lanes::wide);
  if (all.empty()) WARN("no kernels of our own for this processor: nothing is tested here");
  return all;
}

inline double difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace limn
