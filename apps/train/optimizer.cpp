#include "apps/train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/ops.h"

namespace limn {

AdamW::AdamW(std::map<std::string, Tensor> weights, const AdamWOptions& options)
    : weights_(std::move(weights)), options_(options) {
  for (const auto& [name, weight] : weights_) {
    average_[name] = weight.detach().clone();
    first_[name] = at::zeros_like(weight.detach());
    second_[name] = at::zeros_like(weight.detach());
  }
}

double AdamW::share_of(const std::string& name) const {
  for (const auto& [prefix, share] : options_.rates)
    if (name.rfind(prefix, 0) == 0) return share;
  return 1.0;
}

double AdamW::step(double rate) {
  at::NoGradGuard no_grad;
  ++steps_;
  struct Group {
    std::vector<Tensor> weights, grads, first, second, steps;
  };
  std::map<std::pair<bool, double>, Group> groups;  // by whether the weights decay, and share of the rate
  std::vector<Tensor> all;
  for (auto& [name, weight] : weights_) {
    if (!weight.grad().defined()) continue;
    Group& group = groups[{weight.dim() >= 2, share_of(name)}];
    group.weights.push_back(weight.detach());
    group.grads.push_back(weight.grad());
    group.first.push_back(first_[name]);
    group.second.push_back(second_[name]);
    group.steps.push_back(
        at::full({}, static_cast<double>(steps_), weight.options().dtype(at::kFloat).requires_grad(false)));
    all.push_back(weight.grad());
  }
  if (all.empty()) return 0.0;
  const double norm = at::stack(at::_foreach_norm(all)).norm().item<double>();
  if (!std::isfinite(norm)) {  // a bad batch must not spoil the weights
    for (auto& [name, weight] : weights_) weight.mutable_grad().reset();
    return norm;
  }
  if (options_.clip > 0 && norm > options_.clip)
    for (Tensor& grad : all) grad.mul_(options_.clip / (norm + 1e-6));
  for (auto& [kind, group] : groups)
    at::_fused_adamw_(group.weights, group.grads, group.first, group.second, {}, group.steps, rate * kind.second,
                      options_.beta1, options_.beta2, kind.first ? options_.weight_decay : 0.0, options_.eps, false,
                      false);
  const double decay =
      std::min(options_.ema, (1.0 + static_cast<double>(steps_)) / (10.0 + static_cast<double>(steps_)));
  for (auto& [name, weight] : weights_) {
    average_[name].lerp_(weight.detach(), 1.0 - decay);
    weight.mutable_grad().reset();
  }
  return norm;
}

void AdamW::swap_averaged() {
  at::NoGradGuard no_grad;
  for (auto& [name, weight] : weights_) {
    const Tensor kept = weight.detach().clone();
    weight.detach().copy_(average_[name]);
    average_[name].copy_(kept);
  }
}

std::vector<std::pair<std::string, Tensor>> AdamW::state() const {
  std::vector<std::pair<std::string, Tensor>> state;
  for (const auto& [name, weight] : weights_) {
    state.emplace_back("weight." + name, weight.detach());
    state.emplace_back("average." + name, average_.at(name));
    state.emplace_back("first." + name, first_.at(name));
    state.emplace_back("second." + name, second_.at(name));
  }
  return state;
}

void AdamW::restore(const std::map<std::string, Tensor>& state, std::int64_t steps) {
  at::NoGradGuard no_grad;
  const auto read = [&](const std::string& name, const Tensor& into) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != into.sizes())
      throw CheckpointError("checkpoint: " + name + (found == state.end() ? " is missing" : " has another shape") +
                            "; was the configuration changed?");
    into.copy_(found->second);
  };
  for (auto& [name, weight] : weights_) {
    read("weight." + name, weight.detach());
    read("average." + name, average_[name]);
    read("first." + name, first_[name]);
    read("second." + name, second_[name]);
  }
  steps_ = steps;
}

double cosine_rate(std::int64_t step, std::int64_t steps, std::int64_t warmup, double rate, double final_share) {
  if (step < warmup) return rate * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double progress = std::min(
      1.0, static_cast<double>(step - warmup) / static_cast<double>(std::max<std::int64_t>(steps - warmup, 1)));
  return rate * (final_share + (1.0 - final_share) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
}

}  // namespace limn
