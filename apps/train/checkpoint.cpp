#include <fstream>

#include "apps/train/run.h"
#include "core/files.h"
#include "core/ops.h"
#include "core/safetensors.h"

namespace limn {

Json preprocess_json(const HouseConfig& model) {
  const std::int64_t side = model.vision.image;
  return Json::object({{"image_processor_type", "ViTImageProcessor"},
                       {"do_resize", true},
                       {"size", Json::object({{"height", side}, {"width", side}})},
                       {"resample", 3},
                       {"do_rescale", true},
                       {"rescale_factor", 1.0 / 255.0},
                       {"do_normalize", true},
                       {"image_mean", Json::list(std::vector<double>(3, 127.0 / 255.0))},
                       {"image_std", Json::list(std::vector<double>(3, 128.0 / 255.0))}});
}

std::filesystem::path checkpoint_file(const TrainConfig& config) { return config.out / "checkpoint.safetensors"; }

void save_checkpoint(const Run& run) {
  write_safetensors(checkpoint_file(run.config), run.optimizer.state(),
                    {{"step", std::to_string(run.step)}, {"best", run.best ? Json(*run.best).dump() : ""}});
}

void load_checkpoint(Run& run) {
  const auto file = checkpoint_file(run.config);
  auto metadata = safetensors_metadata(file);
  if (!metadata.count("step"))
    throw CheckpointError(file.string() + ": is not a training checkpoint; remove it or choose another [train] out");
  std::map<std::string, Tensor> state;
  for (const auto& [name, stored] : read_safetensors(file)) state[name] = stored.load();
  run.step = std::stoll(metadata["step"]);
  if (!metadata["best"].empty()) run.best = std::stod(metadata["best"]);
  run.optimizer.restore(state, run.step);
}

void rewind_metrics(const std::filesystem::path& file, std::int64_t step) {
  if (!std::filesystem::exists(file)) return;
  std::string text = read_file(file), kept;
  text.resize(text.rfind('\n') + 1);  // a killed run may leave half a line
  each_line(text, [&](std::string_view line, std::size_t) {
    if (Json::parse(line, file.string())["step"].integer(0) <= step) kept.append(line).append("\n");
  });
  write_file(file, kept);
}

void append_metrics(const Run& run, const Json& line) {
  std::ofstream file(run.config.out / "metrics.jsonl", std::ios::app);
  file << line.dump() << '\n';
  if (run.options.json) run.out << line.dump() << std::endl;
  if (!file.flush()) throw WriteError((run.config.out / "metrics.jsonl").string() + ": cannot be written");
}

void save_model(const Run& run, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  std::map<std::string, Tensor> weights;
  for (const auto& [name, weight] : run.weights.parameters()) weights[name] = weight;
  for (const auto& [name, weight] : run.stem_weights.parameters()) weights["vision.stem." + name] = weight;
  write_safetensors(folder / "model.safetensors", quantized_for_storage(weights), {{"format", "limn"}});
  write_file(folder / "config.json", house_config_json(run.config.model).dump(1) + "\n");
  write_file(folder / "preprocessor_config.json", preprocess_json(run.config.model).dump(1) + "\n");
  const auto tokenizer = run.config.start.empty() ? run.config.tokenizer : run.config.start / "tokenizer.model";
  write_file(folder / "tokenizer.model", read_file(tokenizer));
}

}  // namespace limn
