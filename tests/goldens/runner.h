#pragma once

#include <any>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <typeindex>
#include <vector>

#include "core/checkpoint.h"
#include "core/json.h"
#include "core/tensor.h"

// Goldens: folders with golden.json that hold what a reference implementation answers. The runner finds them, the
// functions in kinds_*.cpp run one kind of case each; kinds.cpp lists them.
namespace limn::golden {

/// A case that cannot be run here, for a reason that is no fault of the tested code (a family that is not there yet,
/// a file to be obtained). It is named in the folder's line and counts as not run.
struct NotRun : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One folder with its golden.json; lives as long as its cases run.
class Folder {
 public:
  /// @throws Error when golden.json is malformed
  explicit Folder(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const Json& json() const { return json_; }
  std::string family() const { return json_["family"].text(""); }
  /// The folder that `model` names (this one where the key is absent).
  std::filesystem::path model_folder() const;
  /// A tensor of golden.safetensors. @throws CheckpointError where there is none of that name
  Tensor tensor(const std::string& name);
  /// The largest allowed absolute difference of a quantity; nothing where golden.json states none.
  std::optional<double> tolerance(const std::string& quantity) const;

  /// Something that all cases share, made at the first call: folder.keep<Model>([&] { return open_model(…); }).
  template <typename T>
  T& keep(const std::function<T()>& make) {
    std::any& kept = kept_[std::type_index(typeid(T))];
    if (!kept.has_value()) kept = std::make_shared<T>(make());
    return **std::any_cast<std::shared_ptr<T>>(&kept);
  }

 private:
  std::filesystem::path path_;
  Json json_;
  std::optional<TensorTable> tensors_;
  std::map<std::type_index, std::any> kept_;
};

/// One case: what is given and expected, and the comparisons made so far.
struct GoldenCase {
  Folder& folder;
  Json json;
  std::map<std::string, double> largest = {};  ///< per quantity, the largest difference seen
  std::vector<std::string> failures = {};      ///< "hidden: largest difference 0.2, tolerance 4e-05"

  bool has(const std::string& field) const { return json.has(field) && !json[field].is_null(); }
  std::string text(const std::string& field) const { return json.at(field).text(); }
  /// A path that a field names, relative to the folder.
  std::filesystem::path file(const std::string& field) const { return folder.path() / text(field); }
  /// The tensor that a field gives: by its name in golden.safetensors, or as a number or (nested) array of numbers.
  Tensor tensor(const std::string& field) const;

  /// Compares with the tensor that `field` gives, within the tolerance of the quantity of the same name.
  void compare(const std::string& field, const Tensor& got) { compare(field, got, field); }
  /// The same for a field that is named otherwise than its quantity; the tolerance is that of `field` where
  /// golden.json states one, else that of `quantity`, else 0.
  void compare(const std::string& quantity, const Tensor& got, const std::string& field);
  /// The same with what is expected given.
  void compare(const std::string& quantity, const Tensor& got, const Tensor& expected);
  void compare(const std::string& quantity, double got, double expected);
  /// Requires equality, and says both where they differ.
  void equal(const std::string& what, const std::string& got, const std::string& expected);
  void equal(const std::string& what, const std::vector<std::int64_t>& got, const std::vector<std::int64_t>& expected);
  void equal(const std::string& what, const std::vector<std::string>& got, const std::vector<std::string>& expected);
  /// Another failure in words.
  void fail(const std::string& what) { failures.push_back(what); }

 private:
  void compare(const std::string& name, const Tensor& got, const Tensor& expected, double tolerance);
  void judge(const std::string& quantity, double difference, double tolerance);
};

/// What runs a kind of case. It records differences in the case; an exception is a failure, NotRun is not.
struct Kind {
  const char* name;
  void (*run)(GoldenCase&);
};

/// All kinds that are known: kinds.cpp.
std::span<const Kind> kinds();

/// What became of one folder.
struct Outcome {
  std::string line;     ///< "PASS  clip-gelu: 8 cases; pixels 2.4e-07", possibly with what was not run
  std::size_t run = 0;  ///< cases that ran
  std::size_t failed = 0;
};

/// Runs every case of a folder whose kind is in `known`.
/// @param label  how the line names the folder
Outcome run_folder(const std::filesystem::path& path, const std::string& label, std::span<const Kind> known);

/// Every folder at or below `root` that has a golden.json, sorted.
std::vector<std::filesystem::path> find_goldens(const std::filesystem::path& root);

}  // namespace limn::golden
