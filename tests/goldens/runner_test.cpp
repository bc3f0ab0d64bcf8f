#include <fstream>

#include "core/safetensors.h"
#include "tests/catch.h"
#include "tests/goldens/runner.h"

using namespace limn;
using golden::GoldenCase;

namespace {

// A folder that is gone with the test.
struct TemporaryFolder {
  std::filesystem::path path;
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "limn-goldens-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
    path = pattern;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
};

void write_golden(const std::filesystem::path& folder, const std::string& json) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "golden.json") << json;
  write_safetensors(folder / "golden.safetensors", {{"0.x", at::tensor({1.0, 2.0, 4.0}, at::kFloat)}});
}

constexpr golden::Kind kKinds[] = {
    {"exact",
     [](GoldenCase& c) {
       c.compare("x", at::tensor({1.0, 2.0, 4.0}));
     }},
    {"near",
     [](GoldenCase& c) {
       c.compare("x", at::tensor({1.0, 2.0, 4.25}));
     }},
    {"shape",
     [](GoldenCase& c) {
       c.compare("x", at::zeros({1, 3}));
     }},
    {"nan",
     [](GoldenCase& c) {
       c.compare("x", at::tensor({1.0, 2.0, std::nan("")}));
     }},
    {"number", [](GoldenCase& c) { c.compare("score", 1.5, c.json["score"].number()); }},
    {"inline",
     [](GoldenCase& c) {
       c.compare("rows", at::tensor({1.0, 2.0, 3.0, 5.0}).reshape({2, 2}));
     }},
    {"ids",
     [](GoldenCase& c) {
       c.equal("ids", {1, 2}, c.json["ids"].integers());
     }},
    {"throws", [](GoldenCase&) { throw InputError("photo.png: cannot be read"); }},
    {"later", [](GoldenCase&) { throw golden::NotRun("no family opens it"); }},
};

std::string run(const std::string& cases, const std::string& tolerance = R"({"x": 0.5, "note": "words"})") {
  const TemporaryFolder folder;
  write_golden(folder.path, R"({"family": "f", "tolerance": )" + tolerance + R"(, "cases": [)" + cases + "]}");
  return golden::run_folder(folder.path, "folder", kKinds).line;
}

}  // namespace

TEST_CASE("a folder's line says what ran, how near it came and what failed first", "[runner]") {
  CHECK(run(R"({"kind": "exact", "x": "0.x"}, {"kind": "near", "x": "0.x"})") == "PASS  folder: 2 of 2 cases; x 0.25");
  CHECK(run(R"({"kind": "exact", "x": "0.x"}, {"kind": "near", "x": "0.x", "image": "a.png"})", "{}") ==
        "FAIL  folder: 2 of 2 cases; x 0.25; 1 failed, first case 1 (near a.png): x: largest difference 0.25, "
        "tolerance 0");
  CHECK(run(R"({"kind": "shape", "x": "0.x"})") ==
        "FAIL  folder: 1 of 1 cases; 1 failed, first case 0 (shape): x: shape: got [1, 3], expected [3]");
  CHECK_THAT(run(R"({"kind": "nan", "x": "0.x"})"), ContainsSubstring("largest difference inf"));
  CHECK_THAT(run(R"({"kind": "exact", "x": "none"})"), ContainsSubstring("golden.safetensors: none: is missing"));
  CHECK(run(R"({"kind": "number", "score": 1.25})", R"({"score": 0.3})") == "PASS  folder: 1 of 1 cases; score 0.25");
  CHECK(run(R"({"kind": "inline", "rows": [[1, 2], [3, 4]]})") ==
        "FAIL  folder: 1 of 1 cases; rows 1; 1 failed, first case 0 (inline): rows: largest difference 1, tolerance 0");
  CHECK(run(R"({"kind": "ids", "ids": [1, 3]})") ==
        "FAIL  folder: 1 of 1 cases; 1 failed, first case 0 (ids): ids: got [1, 2], expected [1, 3]");
  CHECK(run(R"({"kind": "throws"})") ==
        "FAIL  folder: 1 of 1 cases; 1 failed, first case 0 (throws): photo.png: cannot be read");
}

TEST_CASE("what does not run is named, and a folder without a run is skipped", "[runner]") {
  CHECK(run(R"({"kind": "odd"}, {"kind": "odd"}, {"kind": "later"})") ==
        "SKIP  folder: 0 of 3 cases; not run: 1 later: no family opens it; not run: 2 odd: unknown kind");
  CHECK(run(R"({"kind": "odd"}, {"kind": "exact", "x": "0.x"})") ==
        "PASS  folder: 1 of 2 cases; x 0; not run: 1 odd: unknown kind");
}

TEST_CASE("a malformed golden.json fails, an absent model skips", "[runner]") {
  const TemporaryFolder folder;
  write_golden(folder.path / "bad", "{");
  write_golden(folder.path / "deep" / "absent",
               R"({"model": "far", "obtain": "fetch it", "cases": [{"kind": "exact", "x": "0.x"}]})");
  CHECK(golden::run_folder(folder.path / "bad", "bad", kKinds).failed == 1);
  const auto absent = golden::run_folder(folder.path / "deep" / "absent", "absent", kKinds);
  CHECK(absent.run == 0);
  CHECK(absent.failed == 0);
  CHECK_THAT(absent.line, ContainsSubstring("SKIP") && ContainsSubstring("obtain it by: fetch it"));
  const auto found = golden::find_goldens(folder.path);
  REQUIRE(found.size() == 2);
  CHECK(found[1] == folder.path / "deep" / "absent");
}
