#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/checkpoint.h"
#include "core/device.h"

namespace limn {

/// How a weight that is not read from a file begins.
enum class Init { normal, zeros, ones };

struct WeightsOptions {
  Placement placement;
  std::string what = "weights";  ///< begins every message: the folder or the file
  bool fill = false;             ///< names that the table lacks are drawn at random instead of being faults
  std::uint64_t seed = 0;        ///< of those; each name has its own stream, so the order of construction is free
  bool trainable = false;        ///< hand out leaf copies that require gradients
  std::map<std::string, std::string> stored_as;                 ///< our name -> the file's, for messages
  std::function<std::string(const std::string& ours)> foreign;  ///< the file's name of what it lacks; null: ours
  std::vector<std::string> faults;                              ///< found before, e.g. by renaming
  std::set<std::string> explained;                              ///< our names that `faults` tell about already
};

/// A cursor over named tensors: models are built from it, and building is loading and shape-checking.
///   LayerNorm(const Weights& w, ...) : weight(w.get("weight", {dim}, Init::ones)) {}
///   Block(w / "blocks" / i, ...)
/// get() records faults and returns zeros (without memory of their own), so that construction runs on and finds the
/// rest; finish() throws one CheckpointError with every missing, misshapen and unexpected name. Only where that would
/// never end, after 10,000 faults or for a shape that no tensor can have, get() throws it at once.
/// Cursors are cheap handles; all cursors from one root share their record.
class Weights {
 public:
  explicit Weights(TensorTable table, WeightsOptions options = {});
  static Weights random(std::uint64_t seed, Placement placement = {});

  Weights operator/(std::string_view name) const;
  Weights operator/(std::int64_t index) const;

  /// The tensor `<here>.<name>`, on the placement's device, floating kinds in its dtype.
  /// The same name gives the same tensor (tied weights).
  Tensor get(std::string_view name, at::IntArrayRef shape, Init init = Init::normal) const;

  /// The one number that the tensor holds, in full precision whatever the placement.
  /// @param shape  {} or {1}, as the file has it
  double number(std::string_view name, at::IntArrayRef shape) const;

  /// @throws CheckpointError listing the first 20 faults and the count of the rest
  void finish() const;

  /// Every tensor handed out, by name: what an optimiser steps and what is saved.
  const std::map<std::string, Tensor>& parameters() const;

  /// Numbers in all of them.
  std::int64_t count() const;

  bool trainable() const;
  const Placement& placement() const;

 private:
  struct State;
  Weights(std::shared_ptr<State> state, std::string prefix);
  std::shared_ptr<State> state_;
  std::string prefix_;
};

}  // namespace limn
