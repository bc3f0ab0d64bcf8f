#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace limn {

/// The model that commands use when none is named.
inline constexpr const char* kDefaultModel = "limn-small";

/// Folders that may hold bundled models, the first that has one wins: those of LIMN_MODELS (separated by colons),
/// share/limn/models of the installation that the running program belongs to, models/ of its source tree.
std::vector<std::filesystem::path> model_roots();

/// The folder of a model that the user names.
/// @param name   a folder, org/name in the hub cache, a bundled name, or "" for the default
/// @param roots  where bundled models lie
/// @throws CheckpointError saying where was looked, and the next step
std::filesystem::path resolve_model(const std::string& name,
                                    const std::vector<std::filesystem::path>& roots = model_roots());

struct ModelsOptions {
  std::string model;  ///< of show_model; "" is the default
  bool json = false;
};

/// Lists bundled models and those of the hub cache that a family here can open: name, family, size, folder.
int list_models(const ModelsOptions& options, std::ostream& out);

/// Shows one model: family, abilities, parameters, languages, files, source.
int show_model(const ModelsOptions& options, std::ostream& out);

struct AverageOptions {
  std::vector<std::string> models;
  std::vector<double> shares;  ///< one a model; none: equal
  std::filesystem::path out;   ///< a folder that is not there yet
};

/// Writes the mean of house models' weights as a model; all else is the first one's. Runs that began from one model may
/// be averaged, which often keeps what each of them knows (Wortsman et al. 2022, https://arxiv.org/abs/2203.05482).
/// @throws UsageError, CheckpointError naming the first weight that is not in all of them
int average_models(const AverageOptions& options, std::ostream& out);

}  // namespace limn
