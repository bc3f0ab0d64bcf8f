#pragma once

#include <map>

#include "core/tensor.h"

namespace limn {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.98, eps = 1e-8, weight_decay = 0.05;
  double clip = 1.0;   ///< largest norm of all gradients together; 0: no clipping
  double ema = 0.999;  ///< decay of the averaged weights; ramped as min(ema, (1 + step) / (10 + step))
  /// Shares of the rate for weights whose names begin so; 1 for all others.
  std::map<std::string, double> rates = {};
};

/// AdamW (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101) with clipping and an average of the weights.
/// Matrices decay, vectors do not. All state is tensors by name, so that a checkpoint is a plain file of them.
class AdamW {
 public:
  /// @param weights  leaves that require gradients; they are stepped in place
  AdamW(std::map<std::string, Tensor> weights, const AdamWOptions& options);

  /// One step from the gradients that lie on the weights, which are cleared. @return the norm before clipping
  double step(double rate);

  std::int64_t steps() const { return steps_; }
  const std::map<std::string, Tensor>& weights() const { return weights_; }
  const std::map<std::string, Tensor>& averaged() const { return average_; }
  /// Exchanges weights and averages in place, for validation; calling it twice restores.
  void swap_averaged();

  /// "weight.<name>", "average.<name>", "first.<name>", "second.<name>"
  std::vector<std::pair<std::string, Tensor>> state() const;
  /// @throws CheckpointError where a name is missing or misshapen
  void restore(const std::map<std::string, Tensor>& state, std::int64_t steps);

 private:
  double share_of(const std::string& name) const;
  std::map<std::string, Tensor> weights_, average_, first_, second_;
  AdamWOptions options_;
  std::int64_t steps_ = 0;
};

/// Linear warm-up, then a cosine down to `final_share` of `rate`.
double cosine_rate(std::int64_t step, std::int64_t steps, std::int64_t warmup, double rate, double final_share);

}  // namespace limn
