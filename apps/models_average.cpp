#include <numeric>
#include <ostream>

#include "apps/models.h"
#include "apps/run.h"
#include "core/files.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "fusion/house.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

void check(const AverageOptions& o) {
  if (o.models.size() < 2)
    throw UsageError("models average: got " + std::to_string(o.models.size()) + " models, expected at least two");
  check_one_for_each("--shares", o.shares.size(), o.models.size(), "models");
  for (const double share : o.shares)
    if (!(share > 0 && share < 1e9))
      throw UsageError("--shares: got " + std::to_string(share) + ", expected more than 0");
  if (fs::exists(o.out)) throw UsageError(o.out.string() + ": is there already; name a new folder with -o");
}

/// Adds a model's weights, times its share. What the first has, all must have, in the same shapes.
void add(std::map<std::string, Tensor>& sum, const fs::path& folder, double share, bool first) {
  const TensorTable table = read_weights(folder);
  const auto fail = [&](const std::string& name, const char* what) {
    throw CheckpointError(folder.string() + ": " + name + ": " + what +
                          "; models that are averaged have one structure");
  };
  for (const auto& [name, stored] : table) {
    const Tensor part = stored.load().to(at::kDouble) * share;
    const auto found = sum.find(name);
    if (first)
      sum.emplace(name, part);
    else if (found == sum.end() || found->second.sizes() != part.sizes())
      fail(name, "is not in the first model, or of another shape");
    else
      found->second += part;
  }
  for (const auto& [name, weight] : sum)
    if (!table.contains(name)) fail(name, "is missing");
}

}  // namespace

int average_models(const AverageOptions& o, std::ostream& out) {
  check(o);
  std::vector<fs::path> folders;
  for (const std::string& name : o.models) folders.push_back(resolve_model(name));
  for (const fs::path& folder : folders)
    if (const Json config = Json::read(folder / "config.json"); config["model_type"].text() != "limn")
      throw UsageError(folder.string() + ": is of family " + config["model_type"].text() +
                       ", expected limn: other families' models are not written");
  const std::vector<double> shares = o.shares.empty() ? std::vector<double>(folders.size(), 1) : o.shares;
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  std::map<std::string, Tensor> weights;
  for (std::size_t i = 0; i < folders.size(); ++i) add(weights, folders[i], shares[i] / total, i == 0);
  fs::path unfinished = o.out;
  unfinished += ".unfinished";
  fs::remove_all(unfinished);
  fs::create_directories(unfinished);
  for (const char* name : {"config.json", "preprocessor_config.json", "tokenizer.model"})
    write_file(unfinished / name, read_file(folders[0] / name));
  write_safetensors(unfinished / "model.safetensors", quantized_for_storage(weights), {{"format", "limn"}});
  fs::rename(unfinished, o.out);
  out << o.out.string() << '\n';
  flush_results(out);
  return exit_done;
}

}  // namespace limn
