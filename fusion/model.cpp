#include "fusion/model.h"

namespace limn {

extern const Family kAdaIn, kBert, kBlip, kClip, kLimn, kLimnStylizer, kMicroAst, kOpenClip, kSiglip,
    kStyTr2;  // fusion/families

std::span<const Family> families() {
  static const Family all[] = {kLimn, kBlip,         kClip,     kOpenClip, kSiglip,
                               kBert, kLimnStylizer, kMicroAst, kAdaIn,    kStyTr2};
  return all;
}

const Family* find_family(const Json& config) {
  for (const Family& family : families())
    if (family.matches && family.matches(config)) return &family;
  return nullptr;
}

FoundFamily find_family(const std::filesystem::path& folder) {
  FoundFamily found;
  for (const char* name : {"config.json", "open_clip_config.json"}) {
    if (!std::filesystem::exists(folder / name)) continue;
    const Json config = Json::read(folder / name);
    if (found.config.is_null()) found.config = config;
    if (const Family* family = find_family(config)) return {family, config};
  }
  if (found.config.is_null())
    for (const Family& family : families())
      if (family.holds && family.holds(folder)) found.family = &family;
  return found;
}

Model open_model(const std::filesystem::path& folder, const Placement& placement) {
  if (!std::filesystem::is_directory(folder)) throw CheckpointError(folder.string() + ": no such model folder");
  try {
    const auto [family, config] = find_family(folder);
    if (family) return family->open(folder, config, placement);
    if (config.is_null())
      throw CheckpointError(folder.string() + ": has no config.json; a model folder as on the hub is expected");
    std::string known;
    for (const Family& each : families()) known += (known.empty() ? "" : ", ") + std::string(each.name);
    const Json architectures = config["architectures"];
    throw CheckpointError(config.where() + ": model_type is " + config["model_type"].dump() +
                          (architectures.is_array() ? " with architectures " + architectures.dump() : "") +
                          "; families that Limn opens: " + known);
  } catch (const InputError& error) {  // a fault of the file, not of the caller's data
    throw CheckpointError(error.what());
  }
}

}  // namespace limn
