#include <iostream>

#include "core/files.h"
#include "core/safetensors.h"
#include "fusion/model.h"
#include "tests/catch.h"
#include "tests/goldens/runner.h"
#include "tests/places.h"
#include "tests/temporary.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

using Tensors = std::map<std::string, Tensor>;

// Folders of goldens whose weights a family opens.
std::vector<fs::path> model_folders() {
  std::vector<fs::path> folders;
  for (const auto& root : {fixtures_folder(), source_folder() / "tests/goldens"}) {
    if (!fs::is_directory(root)) continue;
    for (const auto& folder : golden::find_goldens(root)) {
      if (!fs::exists(folder / "config.json") || !find_family(Json::read(folder / "config.json"))) continue;
      try {
        read_weights(folder);
        folders.push_back(folder);
      } catch (const CheckpointError&) {  // tokenizers have a config.json, too, but no weights
      }
    }
  }
  return folders;
}

// What opening the folder's files with these weights says; empty: it opens.
std::string refusal(const fs::path& folder, const Tensors& tensors) {
  const TemporaryFolder changed;
  for (const auto& entry : fs::directory_iterator(folder)) {  // all but the weights
    const std::string name = entry.path().filename().string(), ending = entry.path().extension().string();
    if (ending != ".safetensors" && ending != ".bin" && name.find(".index.") == std::string::npos)
      fs::create_symlink(fs::absolute(entry.path()), changed / name);
  }
  write_safetensors(changed / "model.safetensors", {tensors.begin(), tensors.end()});
  try {
    open_model(changed.path);
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return {};
}

// BERT's norms have older names in some files; what is missing is named as today's files would.
std::string today(std::string name) {
  for (const auto& [old, now] : {std::pair{".gamma", ".weight"}, {".beta", ".bias"}})
    if (name.ends_with(old)) name.replace(name.rfind('.'), name.npos, now);
  return name;
}

// A tied tensor may be stored under several names: one that is gone is not missed.
bool has_twin(const Tensors& tensors, const std::string& name) {
  const Tensor& tensor = tensors.at(name);
  for (const auto& [other, value] : tensors)
    if (other != name && value.sizes() == tensor.sizes() && value.scalar_type() == tensor.scalar_type() &&
        at::equal(value, tensor))
      return true;
  return false;
}

}  // namespace

TEST_CASE("families: one weight removed, renamed, reshaped, retyped or added is refused by name", "[families]") {
  const auto folders = model_folders();
  if (folders.empty()) std::cout << "SKIP  strictness of families: no golden folder with weights" << std::endl;
  for (const fs::path& folder : folders) {
    Tensors tensors;
    for (const auto& [name, stored] : read_weights(folder)) tensors[name] = stored.load().contiguous();
    CAPTURE(folder);
    REQUIRE(refusal(folder, tensors).empty());
    Tensors added = tensors;
    added["some.extra.weight"] = at::ones({2});
    CHECK_THAT(refusal(folder, added), ContainsSubstring("unexpected  some.extra.weight [2]"));
    const std::size_t step = std::max<std::size_t>(1, tensors.size() / 8);
    std::size_t place = 0;
    for (const auto& [name, tensor] : tensors) {
      if (place++ % step) continue;
      CAPTURE(name);
      const auto changed = [&, old = name](const std::string& as, const Tensor& value) {
        Tensors other = tensors;
        other.erase(old);
        if (value.defined()) other[as] = value;
        return refusal(folder, other);
      };
      if (!tensor.is_floating_point()) continue;  // buffers such as position_ids are dropped on purpose
      // BERT's heads for training, which a sentence encoder leaves out, are dropped on purpose.
      if (name.starts_with("cls.") && changed(name, {}).empty()) continue;
      if (!has_twin(tensors, name))
        CHECK_THAT(changed(name, {}), ContainsSubstring("missing     ") && ContainsSubstring(today(name)));
      CHECK_THAT(changed(name + "_", tensor), ContainsSubstring("unexpected  " + name + "_ "));
      CHECK_THAT(changed(name, tensor.unsqueeze(-1)), ContainsSubstring(name + " "));
      CHECK_THAT(changed(name, tensor.to(at::kInt)), ContainsSubstring(name + " "));
    }
  }
}
