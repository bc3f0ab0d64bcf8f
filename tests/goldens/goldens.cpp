#include <cstdlib>
#include <iostream>

#include "tests/catch.h"
#include "tests/goldens/runner.h"
#include "tests/places.h"

using namespace limn;

namespace {

// Runs all goldens below `root`, one line each. @return cases that ran
std::size_t run_all(const std::filesystem::path& root) {
  std::size_t run = 0;
  for (const auto& path : golden::find_goldens(root)) {
    const auto label = path == root ? path.filename() : path.lexically_relative(root);
    const golden::Outcome outcome = golden::run_folder(path, label.string(), golden::kinds());
    std::cout << outcome.line << std::endl;
    run += outcome.run;
    if (outcome.failed) FAIL_CHECK(outcome.line);
  }
  return run;
}

}  // namespace

TEST_CASE("every golden folder gives the reference's answers", "[goldens]") {
  const auto fixtures = fixtures_folder();
  if (!std::filesystem::is_directory(fixtures)) {
    const char* given = std::getenv("LIMN_FIXTURES");
    if (given && *given) FAIL("LIMN_FIXTURES: " << fixtures << ": is no folder");
    std::cout << "SKIP  no fixtures at " << fixtures << ": set LIMN_FIXTURES" << std::endl;
  }
  const std::size_t run = run_all(fixtures) + run_all(source_folder() / "tests" / "goldens");
  std::cout << run << " cases of goldens ran" << std::endl;
  if (run == 0) FAIL("no golden ran");
}
