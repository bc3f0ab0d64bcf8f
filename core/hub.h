#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"

namespace limn {

/// The environment variables that say where the hub's own client keeps models; empty where unset. Filled by the
/// program: the library reads no environment.
struct HubEnvironment {
  std::string hub_cache;         ///< HF_HUB_CACHE
  std::string legacy_hub_cache;  ///< HUGGINGFACE_HUB_CACHE, its older name
  std::string hf_home;           ///< HF_HOME
  std::string xdg_cache_home;    ///< XDG_CACHE_HOME
  std::string home;              ///< HOME; also what "~/" stands for in the others
};

/// The cache folder, by the client's own order: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub,
/// XDG_CACHE_HOME/huggingface/hub, HOME/.cache/huggingface/hub.
/// Source: huggingface_hub/constants.py.
std::filesystem::path hub_cache_folder(const HubEnvironment& environment);

/// A model in the cache.
struct CachedModel {
  std::string name;  ///< as find_model_folder takes it: "org/name", or "org/name@commit" where `main` is not there
  std::filesystem::path folder;
};

/// The models of the cache, by name. What is not readable, or no model's entry, is left out.
std::vector<CachedModel> cached_models(const HubEnvironment& environment);

/// The folder of a model given as a folder, or as `org/name` or `org/name@revision` in the hub cache (a branch, a tag
/// or a commit; `main` unless given). An existing folder wins over a name in the cache. Nothing is downloaded.
/// @throws CheckpointError when it is neither; where it could be fetched, the message ends with the exact command
std::filesystem::path find_model_folder(const std::string& model, const HubEnvironment& environment);

}  // namespace limn
