#include "apps/models.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <ostream>

#include "apps/caption_output.h"
#include "apps/run.h"
#include "core/hub.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/model.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

struct Listed {
  std::string name;
  fs::path folder;
  const char* where;   ///< "bundled", "hub cache"
  std::string family;  ///< "" where none opens it
  std::int64_t bytes = 0;
};

std::optional<fs::path> program_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return std::nullopt;
  return program.parent_path();
}

bool is_model_folder(const fs::path& folder) {
  std::error_code error;
  return fs::is_regular_file(folder / "config.json", error) ||
         fs::is_regular_file(folder / "open_clip_config.json", error);
}

std::string size_text(std::int64_t bytes) {
  char text[32];
  if (bytes >= 1'000'000'000)
    std::snprintf(text, sizeof text, "%.2f GB", static_cast<double>(bytes) / 1e9);
  else
    std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

/// "5.58 million", "224 thousand"
std::string count_text(std::int64_t count) {
  char text[32];
  if (count >= 1'000'000)
    std::snprintf(text, sizeof text, "%.2f million", static_cast<double>(count) / 1e6);
  else
    std::snprintf(text, sizeof text, "%.0f thousand", static_cast<double>(count) / 1e3);
  return text;
}

std::vector<std::pair<std::string, std::int64_t>> files_of(const fs::path& folder) {
  std::vector<std::pair<std::string, std::int64_t>> files;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored))
      files.emplace_back(at->path().filename().string(), static_cast<std::int64_t>(at->file_size(ignored)));
  }
  std::sort(files.begin(), files.end());
  return files;
}

Listed listed(const std::string& name, const fs::path& folder, const char* where) {
  Listed model{name, folder, where, "", 0};
  for (const auto& [file, bytes] : files_of(folder)) model.bytes += bytes;
  try {
    if (const Family* family = find_family(folder).family) model.family = family->name;
  } catch (const InputError&) {
    // an unreadable configuration is nobody's family
  }
  return model;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

HubEnvironment hub_environment() {
  return {.hub_cache = environment("HF_HUB_CACHE"),
          .legacy_hub_cache = environment("HUGGINGFACE_HUB_CACHE"),
          .hf_home = environment("HF_HOME"),
          .xdg_cache_home = environment("XDG_CACHE_HOME"),
          .home = environment("HOME")};
}

std::vector<Listed> all_models() {
  std::vector<Listed> models;
  for (const fs::path& root : model_roots()) {
    std::vector<fs::path> folders;
    std::error_code error;
    for (fs::directory_iterator at(root, error), end; !error && at != end; at.increment(error))
      if (is_model_folder(at->path())) folders.push_back(at->path());
    std::sort(folders.begin(), folders.end());
    for (const fs::path& folder : folders) {
      const std::string name = folder.filename().string();
      const bool hidden =
          std::any_of(models.begin(), models.end(), [&](const Listed& model) { return model.name == name; });
      if (!hidden) models.push_back(listed(name, folder, "bundled"));
    }
  }
  for (const CachedModel& cached : cached_models(hub_environment())) {
    Listed model = listed(cached.name, cached.folder, "hub cache");
    if (!model.family.empty()) models.push_back(std::move(model));
  }
  return models;
}

std::vector<std::string> abilities(const Model& model) {
  std::vector<std::string> names;
  if (model.captioner) names.push_back("caption");
  if (model.matcher) names.push_back("match");
  if (model.embedder && model.embedder->image) names.push_back("embed pictures");
  if (model.embedder && model.embedder->text) names.push_back("embed texts");
  if (model.answerer) names.push_back("answer");
  if (model.stylizer) names.push_back("stylize");
  return names;
}

std::vector<std::string> languages(const Model& model) {
  if (!model.captioner) return {};
  return model.captioner->languages.empty() ? std::vector<std::string>{"en"} : model.captioner->languages;
}

std::string source_of(const std::string& family) {
  for (const Family& known : families())
    if (family == known.name) return known.source;
  return {};
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

std::vector<fs::path> model_roots() {
  std::vector<fs::path> roots;
  for (std::string rest = environment("LIMN_MODELS"); !rest.empty();) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    if (colon > 0) roots.emplace_back(rest.substr(0, colon));
    rest.erase(0, colon + 1);
  }
  if (const auto folder = program_folder()) {
    roots.push_back((*folder / ".." / "share" / "limn" / "models").lexically_normal());  // installed
    roots.push_back(
        (*folder / ".." / ".." / ".." / "models").lexically_normal());  // build/<preset>/bin in the source tree
  }
  return roots;
}

fs::path resolve_model(const std::string& name, const std::vector<fs::path>& roots) {
  std::error_code error;
  const std::string wanted = name.empty() ? kDefaultModel : name;
  if (!name.empty() && fs::is_directory(name, error)) return name;
  if (!name.empty() && fs::exists(name, error))
    throw CheckpointError(name + ": is a file; --model takes the folder that holds config.json and the weights");
  if (wanted.find('/') == std::string::npos) {
    for (const fs::path& root : roots)
      if (is_model_folder(root / wanted)) return root / wanted;
    std::string looked;
    for (const fs::path& root : roots) looked += "\n  " + (root / wanted).string();
    throw CheckpointError("model \"" + wanted +
                          "\": is no folder here and no bundled model; limn models lists those that are" +
                          (roots.empty() ? "" : "; looked for" + looked));
  }
  return find_model_folder(wanted, hub_environment());
}

int list_models(const ModelsOptions& options, std::ostream& out) {
  const std::vector<Listed> models = all_models();
  for (const Listed& model : models) {
    if (options.json) {
      out << Json::object({{"name", model.name},
                           {"family", model.family.empty() ? Json() : Json(model.family)},
                           {"where", model.where},
                           {"bytes", model.bytes},
                           {"folder", model.folder.string()}})
                 .dump()
          << '\n';
    } else {
      out << model.name << '\t' << (model.family.empty() ? "(family unknown)" : model.family) << '\t'
          << size_text(model.bytes) << '\t' << model.where << '\t' << printable(model.folder) << '\n';
    }
  }
  flush_results(out);
  return exit_done;
}

int show_model(const ModelsOptions& options, std::ostream& out) {
  const fs::path folder = resolve_model(options.model);
  const Model model = open_model(folder);
  const auto files = files_of(folder);
  std::int64_t bytes = 0;
  for (const auto& [name, size] : files) bytes += size;
  const std::vector<std::string> able = abilities(model), speaks = languages(model);
  if (options.json) {
    Json list = Json::array();
    for (const auto& [name, size] : files) list.push(Json::object({{"name", name}, {"bytes", size}}));
    out << Json::object({{"folder", folder.string()},
                         {"family", model.family},
                         {"source", source_of(model.family)},
                         {"capabilities", Json::list(able)},
                         {"languages", Json::list(speaks)},
                         {"parameters", model.parameters},
                         {"bytes", bytes},
                         {"files", list}})
               .dump()
        << '\n';
  } else {
    out << "folder      " << printable(folder) << '\n'
        << "family      " << model.family << " (" << source_of(model.family) << ")\n"
        << "can         " << (able.empty() ? "nothing that this version knows" : join(able)) << '\n'
        << (speaks.empty() ? "" : "languages   " + join(speaks) + "\n") << "parameters  "
        << count_text(model.parameters) << '\n'
        << "files       " << size_text(bytes) << '\n';
    for (const auto& [name, size] : files) out << "            " << name << "  " << size_text(size) << '\n';
  }
  flush_results(out);
  return exit_done;
}

}  // namespace limn
