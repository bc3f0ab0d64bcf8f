#include "core/weights.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "core/hash.h"
#include "core/ops.h"

namespace limn {

struct Weights::State {
  TensorTable table;
  WeightsOptions options;
  std::map<std::string, Tensor> given;
  std::vector<std::string> faults;

  // "text.layer.0.bias (blocks.0.bias)": the file's spelling and ours, where they differ.
  std::string spelled(const std::string& ours) const {
    const auto stored = options.stored_as.find(ours);
    std::string foreign = stored != options.stored_as.end() ? stored->second : "";
    if (foreign.empty() && options.foreign) foreign = options.foreign(ours);
    return foreign.empty() || foreign == ours ? ours : foreign + " (" + ours + ")";
  }
};

namespace {

constexpr std::size_t kMostFaults = 10'000;

// Normal with variance 1 / fan-in, which is all but the first dimension; of matrices, embeddings among them, a
// deviation of 0.05 at most. Convolutions have few inputs: so limited, a stack of them would see nothing of a picture.
Tensor drawn(const std::string& name, at::IntArrayRef shape, Init init, std::uint64_t seed) {
  if (init == Init::zeros) return at::zeros(shape);
  if (init == Init::ones) return at::ones(shape);
  std::int64_t fan_in = 1;
  for (std::size_t i = 1; i < shape.size(); ++i) fan_in *= shape[i];
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed ^ hash_bytes(name));
  const double most = shape.size() > 2 ? 1.0 : 0.05;
  const double deviation = std::min(1.0 / std::sqrt(static_cast<double>(std::max<std::int64_t>(fan_in, 1))), most);
  return at::empty(shape).normal_(0.0, deviation, generator);
}

Tensor placed(Tensor tensor, const WeightsOptions& options) {
  const at::ScalarType dtype = tensor.is_floating_point() ? options.placement.dtype : tensor.scalar_type();
  tensor = tensor.to(options.placement.device, dtype);
  if (options.trainable && tensor.is_floating_point()) tensor = tensor.detach().clone().requires_grad_(true);
  return tensor;
}

}  // namespace

Weights::Weights(TensorTable table, WeightsOptions options) : state_(std::make_shared<State>()) {
  state_->table = std::move(table);
  state_->options = std::move(options);
  state_->faults = state_->options.faults;
}

Weights::Weights(std::shared_ptr<State> state, std::string prefix)
    : state_(std::move(state)), prefix_(std::move(prefix)) {}

Weights Weights::random(std::uint64_t seed, Placement placement) {
  WeightsOptions options;
  options.placement = placement;
  options.fill = true;
  options.seed = seed;
  return Weights({}, options);
}

Weights Weights::operator/(std::string_view name) const { return {state_, prefix_ + std::string(name) + "."}; }
Weights Weights::operator/(std::int64_t index) const { return *this / std::to_string(index); }

Tensor Weights::get(std::string_view name, at::IntArrayRef shape, Init init) const {
  const std::string full = prefix_ + std::string(name);
  State& state = *state_;
  if (auto found = state.given.find(full); found != state.given.end() && found->second.sizes() == shape)
    return found->second;

  Tensor tensor;
  const auto stored = state.table.find(full);
  if (stored == state.table.end()) {
    if (!state.options.fill && !state.options.explained.contains(full))
      state.faults.push_back("missing     " + state.spelled(full) + " " + shape_text(shape));
  } else if (at::IntArrayRef(stored->second.shape) != shape) {
    state.faults.push_back("wrong shape " + state.spelled(full) + " " + shape_text(stored->second.shape) +
                           ", expected " + shape_text(shape));
  } else if (!at::isFloatingType(stored->second.dtype)) {
    state.faults.push_back("wrong dtype " + state.spelled(full) + " " +
                           std::string(at::toString(stored->second.dtype)) + ", expected a floating type");
  } else {
    tensor = stored->second.load();
  }
  if (!tensor.defined() && state.options.fill) tensor = drawn(full, shape, init, state.options.seed);
  if (tensor.defined()) {
    tensor = placed(tensor, state.options);
  } else {
    // A configuration that lies may ask for more than any memory holds.
    if (state.faults.size() >= kMostFaults || byte_count(shape, sizeof(double)) < 0) finish();
    const auto& placement = state.options.placement;
    tensor = at::zeros({}, at::TensorOptions(placement.dtype).device(placement.device)).expand(shape);
  }
  state.given[full] = tensor;
  return tensor;
}

double Weights::number(std::string_view name, at::IntArrayRef shape) const {
  const Tensor placed = get(name, shape, Init::zeros);
  const auto stored = state_->table.find(prefix_ + std::string(name));
  const bool full = stored != state_->table.end() && at::IntArrayRef(stored->second.shape) == shape;
  return (full ? stored->second.load() : placed).to(at::kDouble).item<double>();
}

void Weights::finish() const {
  std::vector<std::string> faults = state_->faults;
  for (const auto& [name, stored] : state_->table) {
    if (state_->given.count(name)) continue;
    const auto foreign = state_->options.stored_as.find(name);
    faults.push_back("unexpected  " + (foreign == state_->options.stored_as.end() ? name : foreign->second) + " " +
                     shape_text(stored.shape));
  }
  if (faults.empty()) return;
  constexpr std::size_t shown = 20;
  std::string message = state_->options.what + ": " + std::to_string(faults.size()) +
                        (faults.size() == 1 ? " problem" : " problems") +
                        " in the weights; do they belong to this config.json?";
  for (std::size_t i = 0; i < faults.size() && i < shown; ++i) message += "\n  " + faults[i];
  if (faults.size() > shown) message += "\n  and " + std::to_string(faults.size() - shown) + " more";
  throw CheckpointError(message);
}

const std::map<std::string, Tensor>& Weights::parameters() const { return state_->given; }
std::int64_t Weights::count() const {
  std::int64_t count = 0;
  for (const auto& [name, weight] : state_->given) count += weight.numel();
  return count;
}

bool Weights::trainable() const { return state_->options.trainable; }
const Placement& Weights::placement() const { return state_->options.placement; }

}  // namespace limn
