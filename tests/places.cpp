#include "tests/places.h"

#include <cstdlib>

namespace limn {

std::filesystem::path source_folder() { return LIMN_SOURCE_DIR; }

std::filesystem::path fixtures_folder() {
  const char* given = std::getenv("LIMN_FIXTURES");
  return given && *given ? std::filesystem::path(given) : source_folder().parent_path() / "shared" / "fixtures";
}

std::string limn_program() { return LIMN_PROGRAM; }

}  // namespace limn
