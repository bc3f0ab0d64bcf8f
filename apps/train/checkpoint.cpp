#include <fstream>

#include "apps/train/run.h"
#include "core/files.h"
#include "core/ops.h"
#include "core/safetensors.h"

namespace limn {

std::filesystem::path checkpoint_file(const TrainConfig& config) { return config.out / "checkpoint.safetensors"; }

void save_checkpoint(const Run& run) {
  write_safetensors(checkpoint_file(run.config), run.optimizer.state(),
                    {{"step", std::to_string(run.step)},
                     {"best", run.best ? Json(*run.best).dump() : ""},
                     {"measure", run.measure_kind()}});
}

void load_checkpoint(Run& run) {
  const auto file = checkpoint_file(run.config);
  auto metadata = safetensors_metadata(file);
  if (!metadata.count("step"))
    throw CheckpointError(file.string() + ": is not a training checkpoint; remove it or choose another [train] out");
  std::map<std::string, Tensor> state;
  for (const auto& [name, stored] : read_safetensors(file)) state[name] = stored.load();
  run.step = std::stoll(metadata["step"]);
  if (!metadata["best"].empty() && metadata["measure"] == run.measure_kind()) run.best = std::stod(metadata["best"]);
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

}  // namespace limn
