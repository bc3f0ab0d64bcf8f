#include "apps/index_plan.h"

#include <system_error>
#include <unordered_map>
#include <unordered_set>

#include "core/hash.h"
#include "core/tar_archive.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

/// One comparison of files and index.
class Planner {
 public:
  Planner(const IndexContent& content, const PlanOptions& options) : content_(content), options_(options) {
    for (std::size_t i = 0; i < content.entries.size(); ++i) {
      if (!content.alive[i]) continue;
      const IndexEntry& entry = content.entries[i];
      by_path_.emplace(entry.path, static_cast<std::int64_t>(i));
      by_content_.emplace(entry.content, static_cast<std::int64_t>(i));
      ++sizes_[entry.bytes];
    }
    if (content.captions.empty()) return;
    captions_.resize(content.entries.size());
    for (const IndexCaption& caption : content.captions)
      captions_[static_cast<std::size_t>(caption.owner)].push_back(caption.text);
  }

  IndexPlan operator()(const std::vector<Input>& inputs) {
    for (const Input& input : inputs) look_at(input);
    for (Fresh& fresh : fresh_) place(fresh);
    if (!options_.keep_missing) remove_missing();
    return std::move(plan_);
  }

 private:
  /// A file that the index does not know as it is now.
  struct Fresh {
    IndexEntry entry;
    std::optional<std::int64_t> replaces;
  };

  void look_at(const Input& input) {
    if (!input.error.empty()) return plan_.failed.push_back(input);
    Fresh fresh{{.path = index_path(input.path)}, {}};
    if (!seen_.insert(fresh.entry.path).second) return;
    try {
      const FileState state = file_state(input.path);
      fresh.entry.bytes = state.bytes;
      fresh.entry.modified = state.modified;
    } catch (const InputError& error) {
      return plan_.failed.push_back({input.path, error.what()});
    }
    if (const auto known = by_path_.find(fresh.entry.path); known != by_path_.end()) {
      const IndexEntry& before = content_.entries[static_cast<std::size_t>(known->second)];
      if (before.bytes == fresh.entry.bytes && before.modified == fresh.entry.modified) return keep(known->second);
      fresh.replaces = known->second;
    }
    ++sizes_[fresh.entry.bytes];
    fresh_.push_back(std::move(fresh));
  }

  /// Unchanged, unless its captions differ.
  void keep(std::int64_t number) {
    const IndexEntry& entry = content_.entries[static_cast<std::size_t>(number)];
    const std::vector<std::string> captions = captions_for(entry.path, number);
    if (captions == captions_of(number)) {
      ++plan_.unchanged;
    } else {
      ++plan_.changed;
      plan_.copies.push_back({{entry, number, captions}, number});
    }
  }

  std::vector<std::string> captions_of(std::int64_t number) const {
    return captions_.empty() ? std::vector<std::string>() : captions_[static_cast<std::size_t>(number)];
  }

  /// Those that the user gives, else those that the picture `number` has.
  std::vector<std::string> captions_for(const std::string& path, std::optional<std::int64_t> number) const {
    if (options_.captions)
      if (const auto given = options_.captions->find(path); given != options_.captions->end()) return given->second;
    return number ? captions_of(*number) : std::vector<std::string>();
  }

  void place(Fresh& fresh) {
    IndexEntry& entry = fresh.entry;
    std::optional<std::int64_t> same;
    if (sizes_[entry.bytes] > 1) {
      try {
        entry.content = hash_of(read_file(entry.path));
      } catch (const InputError&) {
        // told when it is to be decoded
      }
      same = entry.content != 0 ? find_same(fresh) : std::nullopt;
    }
    if (same) return take_over(fresh, *same);
    ++(fresh.replaces ? plan_.changed : plan_.added);
    NewEntry item{entry, fresh.replaces, captions_for(entry.path, {})};
    if (entry.content != 0) {
      const auto [first, is_first] = first_.emplace(entry.content, plan_.encode.size());
      if (!is_first) return plan_.encode[first->second].twins.push_back(std::move(item));
    }
    plan_.encode.push_back({std::move(item), {}});
  }

  /// A picture in the index with this content: itself, else one whose file is gone, else any.
  std::optional<std::int64_t> find_same(const Fresh& fresh) const {
    std::optional<std::int64_t> found;
    const auto [begin, end] = by_content_.equal_range(fresh.entry.content);
    for (auto at = begin; at != end; ++at) {
      if (at->second == fresh.replaces) return at->second;
      if (!found || (is_there(*found) && !is_there(at->second))) found = at->second;
    }
    return found;
  }

  bool is_there(std::int64_t number) const {
    const std::string& path = content_.entries[static_cast<std::size_t>(number)].path;
    return seen_.count(path) > 0 || taken_.count(number) > 0 || is_on_disk(path);
  }

  /// Also where nobody can tell.
  static bool is_on_disk(const std::string& path) {
    std::error_code error;
    if (fs::exists(path, error)) return true;
    if (error) return true;
    if (!inside_archive(path)) return false;
    try {
      file_state(path);
      return true;
    } catch (const InputError&) {
      return false;
    }
  }

  void take_over(Fresh& fresh, std::int64_t number) {
    const IndexEntry& source = content_.entries[static_cast<std::size_t>(number)];
    fresh.entry.taken = source.taken;
    fresh.entry.width = source.width;
    fresh.entry.height = source.height;
    const std::vector<std::string> captions = captions_for(fresh.entry.path, number);
    const bool itself = fresh.replaces == number;
    if (captions == captions_of(number) && (itself || (!is_there(number) && !fresh.replaces))) {
      ++(itself ? plan_.unchanged : plan_.moved);
      taken_.insert(number);
      return plan_.changes.push_back({number, fresh.entry});
    }
    ++(fresh.replaces ? plan_.changed : plan_.added);
    plan_.copies.push_back({{fresh.entry, fresh.replaces, captions}, number});
  }

  void remove_missing() {
    for (const auto& [path, number] : by_path_) {
      if (seen_.count(path) || taken_.count(number) || !below_folders(path)) continue;
      if (is_on_disk(path)) continue;
      plan_.changes.push_back({number, {}});
      ++plan_.removed;
    }
  }

  bool below_folders(const std::string& path) const {
    for (const fs::path& folder : options_.folders) {
      std::string start = index_path(folder);
      if (start.back() != '/') start += '/';
      if (path.compare(0, start.size(), start) == 0) return true;
    }
    return false;
  }

  const IndexContent& content_;
  const PlanOptions& options_;
  IndexPlan plan_;
  std::map<std::string, std::int64_t> by_path_;
  std::unordered_multimap<std::uint64_t, std::int64_t> by_content_;
  std::unordered_map<std::uint64_t, std::int64_t> sizes_;  ///< how many files are known of each size
  std::vector<std::vector<std::string>> captions_;
  std::unordered_set<std::string> seen_;
  std::unordered_set<std::int64_t> taken_;  ///< pictures that moved
  std::vector<Fresh> fresh_;
  std::unordered_map<std::uint64_t, std::size_t> first_;  ///< among plan_.encode, by content
};

}  // namespace

std::string index_path(const fs::path& file) { return fs::absolute(file).lexically_normal().string(); }

std::string shown_path(const std::string& absolute) {
  std::error_code error;
  std::string here = fs::current_path(error).string();
  if (error) return absolute;
  if (here.back() != '/') here += '/';
  return absolute.compare(0, here.size(), here) == 0 ? absolute.substr(here.size()) : absolute;
}

IndexPlan plan_index(const std::vector<Input>& inputs, const IndexContent& content, const PlanOptions& options) {
  return Planner(content, options)(inputs);
}

}  // namespace limn
