#include "tests/goldens/runner.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "core/safetensors.h"

namespace limn::golden {
namespace {

std::string number(double value) {
  std::ostringstream out;
  out.precision(3);
  out << value;
  return out.str();
}

template <typename T>
std::string list_text(const std::vector<T>& values) {
  std::ostringstream out;
  out << "[";
  for (std::size_t i = 0; i < values.size(); ++i) out << (i ? ", " : "") << values[i];
  out << "]";
  return out.str();
}

// Numbers of a nested array, row by row; `depth` levels above have told the shape.
void flatten(const Json& json, std::size_t depth, std::vector<std::int64_t>& shape, std::vector<double>& numbers) {
  if (!json.is_array()) {
    if (depth != shape.size()) json.fail("rows differ in depth");
    numbers.push_back(json.number());
    return;
  }
  const auto size = static_cast<std::int64_t>(json.size());
  if (depth == shape.size() && numbers.empty()) shape.push_back(size);
  if (depth >= shape.size() || shape[depth] != size) json.fail("rows differ in length");
  for (const Json& item : json.items()) flatten(item, depth + 1, shape, numbers);
}

double largest_difference(const Tensor& got, const Tensor& expected) {
  if (got.numel() == 0) return 0;
  const Tensor a = got.to(at::kCPU).to(at::kDouble), b = expected.to(at::kCPU).to(at::kDouble);
  const double largest = (a - b).abs().nan_to_num(0, 0, 0).max().item<double>();
  // Infinities of the same sign agree (masked logits); any other number that is not finite does not.
  const bool odd = a.ne(b).logical_and(a.isfinite().logical_and(b.isfinite()).logical_not()).any().item<bool>();
  return odd ? std::numeric_limits<double>::infinity() : largest;
}

}  // namespace

Folder::Folder(const std::filesystem::path& path) : path_(path), json_(Json::read(path / "golden.json")) {}

std::filesystem::path Folder::model_folder() const { return (path_ / json_["model"].text(".")).lexically_normal(); }

Tensor Folder::tensor(const std::string& name) {
  const auto file = path_ / "golden.safetensors";
  if (!tensors_) tensors_ = read_safetensors(file);
  const auto found = tensors_->find(name);
  if (found == tensors_->end()) throw CheckpointError(file.string() + ": " + name + ": is missing");
  return found->second.load();
}

std::optional<double> Folder::tolerance(const std::string& quantity) const {
  const Json value = json_["tolerance"][quantity];
  return value.is_number() ? std::optional<double>(value.number()) : std::nullopt;
}

Tensor GoldenCase::tensor(const std::string& field) const {
  const Json value = json.at(field);
  if (value.is_text()) return folder.tensor(value.text());
  std::vector<std::int64_t> shape;
  std::vector<double> numbers;
  flatten(value, 0, shape, numbers);
  return at::tensor(numbers, at::kDouble).reshape(shape);
}

void GoldenCase::compare(const std::string& quantity, const Tensor& got, const std::string& field) {
  compare(field, got, tensor(field), folder.tolerance(field).value_or(folder.tolerance(quantity).value_or(0)));
}

void GoldenCase::compare(const std::string& quantity, const Tensor& got, const Tensor& expected) {
  compare(quantity, got, expected, folder.tolerance(quantity).value_or(0));
}

void GoldenCase::compare(const std::string& name, const Tensor& got, const Tensor& expected, double tolerance) {
  if (!got.defined()) return fail(name + ": there is no answer");
  if (got.sizes() != expected.sizes())
    return fail(name + ": shape: got " + shape_text(got.sizes()) + ", expected " + shape_text(expected.sizes()));
  judge(name, largest_difference(got, expected), tolerance);
}

void GoldenCase::compare(const std::string& quantity, double got, double expected) {
  const double difference = got == expected || (std::isnan(got) && std::isnan(expected)) ? 0 : std::abs(got - expected);
  judge(quantity, difference, folder.tolerance(quantity).value_or(0));
}

void GoldenCase::judge(const std::string& quantity, double difference, double tolerance) {
  const double judged = std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference;
  double& seen = largest.try_emplace(quantity, 0.0).first->second;
  seen = std::max(seen, judged);
  if (judged > tolerance)
    fail(quantity + ": largest difference " + number(judged) + ", tolerance " + number(tolerance));
}

void GoldenCase::equal(const std::string& what, const std::string& got, const std::string& expected) {
  if (got != expected) fail(what + ": got " + Json(got).dump() + ", expected " + Json(expected).dump());
}

void GoldenCase::equal(const std::string& what, const std::vector<std::int64_t>& got,
                       const std::vector<std::int64_t>& expected) {
  if (got != expected) fail(what + ": got " + list_text(got) + ", expected " + list_text(expected));
}

void GoldenCase::equal(const std::string& what, const std::vector<std::string>& got,
                       const std::vector<std::string>& expected) {
  if (got != expected) fail(what + ": got " + Json::list(got).dump() + ", expected " + Json::list(expected).dump());
}

namespace {

// What a folder's line is made of.
struct Tally {
  std::size_t cases = 0, run = 0, failed = 0;
  std::string first_failure;
  std::map<std::string, double> largest;
  std::map<std::string, std::size_t> not_run;  // by reason

  void add_failure(const std::string& what) {
    if (failed++ == 0) first_failure = what;
  }
};

// "case 3 (caption photo0.png)": enough to find it in golden.json.
std::string case_name(std::size_t index, const Json& json) {
  std::string name = "case " + std::to_string(index) + " (" + json["kind"].text("?");
  for (const char* key : {"case", "note", "image", "text"})
    if (json[key].is_text() && !json[key].text().empty()) return name + " " + json[key].text().substr(0, 60) + ")";
  return name + ")";
}

void run_case(Folder& folder, std::size_t index, const Json& json, std::span<const Kind> known, Tally& tally) {
  const std::string kind = json.at("kind").text();
  const auto entry = std::find_if(known.begin(), known.end(), [&](const Kind& k) { return kind == k.name; });
  if (entry == known.end()) {
    ++tally.not_run[kind + ": unknown kind"];
    return;
  }
  GoldenCase current{folder, json};
  try {
    entry->run(current);
  } catch (const NotRun& reason) {
    ++tally.not_run[kind + ": " + reason.what()];
    return;
  } catch (const std::exception& error) {
    current.fail(error.what());
  }
  ++tally.run;
  for (const auto& [quantity, difference] : current.largest) {
    double& seen = tally.largest.try_emplace(quantity, 0.0).first->second;
    seen = std::max(seen, difference);
  }
  if (!current.failures.empty()) tally.add_failure(case_name(index, json) + ": " + current.failures.front());
}

std::string line_of(const Tally& tally, const std::string& label) {
  std::string line = tally.failed ? "FAIL  " : tally.run ? "PASS  " : "SKIP  ";
  line += label + ": " + std::to_string(tally.run) + " of " + std::to_string(tally.cases) + " cases";
  const char* separator = "; ";
  for (const auto& [quantity, difference] : tally.largest) {
    line += separator + quantity + " " + number(difference);
    separator = ", ";
  }
  if (tally.failed) line += "; " + std::to_string(tally.failed) + " failed, first " + tally.first_failure;
  for (const auto& [reason, count] : tally.not_run) line += "; not run: " + std::to_string(count) + " " + reason;
  return line;
}

}  // namespace

Outcome run_folder(const std::filesystem::path& path, const std::string& label, std::span<const Kind> known) {
  Tally tally;
  try {
    Folder folder(path);
    const std::vector<Json> cases = folder.json().at("cases").items();
    tally.cases = cases.size();
    if (!std::filesystem::exists(folder.model_folder())) {
      const std::string obtain = folder.json()["obtain"].text("");
      tally.not_run["the model is absent: " + folder.model_folder().string() +
                    (obtain.empty() ? "" : " (obtain it by: " + obtain + ")")] = cases.size();
    } else {
      for (std::size_t i = 0; i < cases.size(); ++i) run_case(folder, i, cases[i], known, tally);
    }
  } catch (const std::exception& error) {
    tally.add_failure(std::string("golden.json: ") + error.what());
  }
  return {line_of(tally, label), tally.run, tally.failed};
}

std::vector<std::filesystem::path> find_goldens(const std::filesystem::path& root) {
  std::vector<std::filesystem::path> found;
  if (!std::filesystem::is_directory(root)) return found;
  if (std::filesystem::exists(root / "golden.json")) found.push_back(root);
  const auto options = std::filesystem::directory_options::follow_directory_symlink;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root, options))
    if (entry.path().filename() == "golden.json" && entry.path().parent_path() != root)
      found.push_back(entry.path().parent_path());
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace limn::golden
