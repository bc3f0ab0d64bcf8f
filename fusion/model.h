#pragma once

#include <filesystem>
#include <optional>

#include "core/json.h"
#include "fusion/answerer.h"
#include "fusion/captioner.h"
#include "fusion/embedder.h"
#include "fusion/matcher.h"
#include "fusion/stylizer.h"

namespace limn {

/// The picture side alone, for parity checks and for what builds on picture tokens.
struct PictureTower {
  Preprocess preprocess;
  std::function<Tensor(const Tensor& pixels)> hidden;  ///< normalised [B 3 H W] -> [B S C], after the last norm
  std::function<Tensor(const Tensor& hidden)> pooled;  ///< [B S C] -> [B C]; null where the family has none
  /// `hidden` ahead of the last norm; null where nobody asks for it.
  std::function<Tensor(const Tensor& pixels)> before_norm = nullptr;
};

/// A model is its capabilities: what is empty, it cannot do.
struct Model {
  std::string family;  ///< "blip", "limn", ...
  std::filesystem::path folder;
  Placement placement;
  std::int64_t parameters = 0;  ///< number of weights
  std::optional<PictureTower> pictures;
  std::optional<Captioner> captioner;
  std::optional<Embedder> embedder;
  std::optional<Matcher> matcher;
  std::optional<Answerer> answerer;
  std::optional<Stylizer> stylizer;
};

/// One public family: how its folders are recognised and opened. One file each in fusion/families.
struct Family {
  const char* name;
  const char* source;  ///< paper or repository
  /// Reads model_type and architectures, never weight names; null where folders have no configuration.
  bool (*matches)(const Json& config);
  /// @param config  the file that `matches` said yes to
  Model (*open)(const std::filesystem::path& folder, const Json& config, const Placement& placement);
  /// Without a configuration: whether the folder has the files of this family. Null where there is one.
  bool (*holds)(const std::filesystem::path& folder) = nullptr;
};

/// All families, in the order in which they are asked.
std::span<const Family> families();

/// The family that a configuration belongs to; null where there is none.
const Family* find_family(const Json& config);

/// A folder's family, and the configuration by which it is known: config.json, or open_clip_config.json where that is
/// absent or says nothing that a family here knows; without both, by the names of its files.
struct FoundFamily {
  const Family* family = nullptr;  ///< null: none; config is then the first file that is there
  Json config;                     ///< null where the folder has no such file
};
/// @throws InputError for a configuration that cannot be read
FoundFamily find_family(const std::filesystem::path& folder);

/// Opens a hub-style model folder.
/// @throws CheckpointError naming file and key, or all faults of the weights at once
Model open_model(const std::filesystem::path& folder, const Placement& placement = {});

}  // namespace limn
