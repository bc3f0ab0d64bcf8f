#include "fusion/model.h"

namespace limn {

extern const Family kBlip, kLimn;  // fusion/families

std::span<const Family> families() {
  static const Family all[] = {kLimn, kBlip};
  return all;
}

const Family* find_family(const Json& config) {
  for (const Family& family : families())
    if (family.matches(config)) return &family;
  return nullptr;
}

Model open_model(const std::filesystem::path& folder, const Placement& placement) {
  if (!std::filesystem::is_directory(folder)) throw CheckpointError(folder.string() + ": no such model folder");
  const std::filesystem::path file = folder / "config.json";
  if (!std::filesystem::exists(file))
    throw CheckpointError(folder.string() + ": has no config.json; a model folder as on the hub is expected");
  try {
    const Json config = Json::read(file);
    if (const Family* family = find_family(config)) return family->open(folder, config, placement);
    std::string known;
    for (const Family& family : families()) known += (known.empty() ? "" : ", ") + std::string(family.name);
    const Json architectures = config["architectures"];
    throw CheckpointError(file.string() + ": model_type is " + config["model_type"].dump() +
                          (architectures.is_array() ? " with architectures " + architectures.dump() : "") +
                          "; families that Limn opens: " + known);
  } catch (const InputError& error) {  // a fault of the file, not of the caller's data
    throw CheckpointError(error.what());
  }
}

}  // namespace limn
