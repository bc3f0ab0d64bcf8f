#include <algorithm>
#include <vector>

#include "core/files.h"
#include "tests/catch.h"
#include "tests/fuzz/targets.h"
#include "tests/places.h"

using namespace limn;
namespace fs = std::filesystem;

TEST_CASE("fuzz: every seed, and every input that once crashed, is read or refused", "[fuzz]") {
  const fs::path corpus = source_folder() / "tests/fuzz/corpus";
  for (const fuzz::Target& target : fuzz::targets()) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(corpus / target.name)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    CHECK_FALSE(files.empty());
    for (const fs::path& file : files) {
      CAPTURE(file);
      const std::string bytes = read_file(file);
      CHECK_NOTHROW(target.read(bytes));
      CHECK_NOTHROW(target.read(std::string_view(bytes).substr(0, bytes.size() / 2)));
    }
  }
}
