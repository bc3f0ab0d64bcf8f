#include "fusion/part_files.h"

#include <algorithm>
#include <charconv>

namespace limn {

namespace fs = std::filesystem;

TensorTable read_parts(std::span<const PartFile> files) {
  constexpr std::string_view kModule = "module.";
  TensorTable all;
  for (const auto& [part, file] : files) {
    const TensorTable table = read_tensor_file(file);
    const bool wrapped =
        std::all_of(table.begin(), table.end(), [&](const auto& item) { return item.first.starts_with(kModule); });
    for (const auto& [name, tensor] : table)
      all.emplace(part + "." + (wrapped ? name.substr(kModule.size()) : name), tensor);
  }
  return all;
}

fs::path latest_iteration(const fs::path& folder, std::string_view stem) {
  const std::string begin = std::string(stem) + "_iter_";
  fs::path latest;
  std::uint64_t most = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(begin) || entry.path().extension() != ".pth") continue;
    const char* const from = name.data() + begin.size();
    const char* const to = name.data() + name.size() - 4;
    std::uint64_t number = 0;
    const auto [end, fault] = std::from_chars(from, to, number);
    if (fault != std::errc() || end != to || (!latest.empty() && number <= most)) continue;
    latest = entry.path();
    most = number;
  }
  return latest;
}

}  // namespace limn
