#include "core/hub.h"

#include <algorithm>
#include <optional>

#include "core/files.h"

namespace limn {
namespace {

namespace fs = std::filesystem;

fs::path expanded(const std::string& path, const std::string& home) {
  if (path == "~") return home;
  return path.starts_with("~/") ? fs::path(home) / path.substr(2) : fs::path(path);
}

bool word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/// One part of a repository's name, as the hub allows it; never "." or "..".
bool valid_part(const std::string& part) {
  return !part.empty() && part.size() <= 96 && std::ranges::all_of(part, word_character) && part.front() != '.' &&
         part.front() != '-' && part.back() != '.' && part.back() != '-' && part.find("..") == std::string::npos &&
         part.find("--") == std::string::npos;
}

/// Branches may contain slashes ("refs/pr/1"), but must stay inside the cache.
bool valid_revision(const std::string& revision) {
  if (revision.empty() || revision.size() > 200 || revision.front() == '/' || revision.back() == '/') return false;
  for (std::size_t i = 0; i < revision.size(); ++i) {
    if (!word_character(revision[i]) && revision[i] != '/' && revision[i] != '+') return false;
    if (revision[i] == '.' && (i == 0 || revision[i - 1] == '/' || revision[i - 1] == '.')) return false;
  }
  return true;
}

struct HubName {
  std::string repository;  // "org/name", or "name" of the few without an owner
  std::string revision;
};

std::optional<HubName> hub_name(const std::string& model) {
  const std::size_t at = model.find('@');
  const HubName name{model.substr(0, at), at == std::string::npos ? "main" : model.substr(at + 1)};
  const std::size_t slash = name.repository.find('/');
  const bool owner_fits = slash == std::string::npos || valid_part(name.repository.substr(0, slash));
  if (!owner_fits || !valid_part(name.repository.substr(slash == std::string::npos ? 0 : slash + 1)))
    return std::nullopt;
  if (!valid_revision(name.revision)) return std::nullopt;
  return name;
}

/// The commit that a branch or tag stands for in the cache; the revision itself where it has no such file.
std::string commit_of(const fs::path& repository, const std::string& revision) {
  const fs::path file = repository / "refs" / revision;
  if (!fs::is_regular_file(file)) return revision;
  std::string commit = read_file(file);
  while (!commit.empty() && (commit.back() == '\n' || commit.back() == '\r' || commit.back() == ' ')) commit.pop_back();
  if (commit.empty() || commit.size() > 64 || !std::ranges::all_of(commit, word_character) || commit.front() == '.')
    throw CheckpointError(file.string() + ": expected the hash of a commit");
  return commit;
}

}  // namespace

fs::path hub_cache_folder(const HubEnvironment& environment) {
  const auto& [hub_cache, legacy, hf_home, xdg, home] = environment;
  if (!hub_cache.empty()) return expanded(hub_cache, home);
  if (!legacy.empty()) return expanded(legacy, home);
  if (!hf_home.empty()) return expanded(hf_home, home) / "hub";
  if (!xdg.empty()) return expanded(xdg, home) / "huggingface" / "hub";
  return fs::path(home) / ".cache" / "huggingface" / "hub";
}

fs::path find_model_folder(const std::string& model, const HubEnvironment& environment) {
  const fs::path folder = expanded(model, environment.home);
  if (fs::is_directory(folder)) return folder;
  if (fs::exists(folder)) throw CheckpointError(model + ": is a file, expected a model folder or org/name");
  const std::optional<HubName> name = hub_name(model);
  if (!name) throw CheckpointError(model + ": no such folder, and not the form org/name of a model in the hub cache");

  std::string cached = "models--" + name->repository;
  if (const std::size_t slash = cached.find('/'); slash != std::string::npos) cached.replace(slash, 1, "--");
  const fs::path cache = hub_cache_folder(environment), repository = cache / cached;
  const fs::path snapshot = repository / "snapshots" / commit_of(repository, name->revision);
  if (fs::is_directory(snapshot) && !fs::is_empty(snapshot)) return snapshot;
  throw CheckpointError(model + ": no such folder, and not in the hub cache " + cache.string() +
                        "; fetch it with: hf download " + name->repository +
                        (name->revision == "main" ? "" : " --revision " + name->revision));
}

std::vector<CachedModel> cached_models(const HubEnvironment& environment) {
  std::vector<CachedModel> models;
  const auto add = [&](const std::string& name) {
    try {
      const fs::path folder = find_model_folder(name, environment);
      models.push_back({name, folder});
      return true;
    } catch (const Error&) {  // half a download, or a stranger's folder
      return false;
    }
  };
  constexpr std::string_view prefix = "models--";
  std::error_code error;
  for (fs::directory_iterator at(hub_cache_folder(environment), error), end; !error && at != end; at.increment(error)) {
    std::string name = at->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    name.erase(0, prefix.size());
    if (const std::size_t slash = name.find("--"); slash != std::string::npos) name.erase(slash, 1).at(slash) = '/';
    if (add(name)) continue;
    std::error_code ignored;
    for (fs::directory_iterator snapshot(at->path() / "snapshots", ignored), last; !ignored && snapshot != last;
         snapshot.increment(ignored))
      add(name + "@" + snapshot->path().filename().string());
  }
  std::ranges::sort(models, {}, &CachedModel::name);
  return models;
}

}  // namespace limn
