#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "core/ops.h"
#include "tests/catch.h"
#include "tests/goldens/runner.h"
#include "tests/places.h"
#include "vision/image.h"

using namespace limn;

// Odd and hostile files beside the fixtures: manifest.tsv says of each what Pillow said, and ok or error.
// Files that Pillow reads may be read here, too, where the manifest expects an error of OpenCV's (GIF, few bits).
TEST_CASE("odd pictures: what must be read is read, what cannot be is an error", "[vision][image][odd]") {
  const auto folder = fixtures_folder().parent_path() / "data" / "odd-images";
  std::ifstream manifest(folder / "manifest.tsv");
  if (!manifest) {
    std::cout << "SKIP  odd pictures: no " << (folder / "manifest.tsv") << std::endl;
    return;
  }
  std::string line;
  std::getline(manifest, line);
  std::size_t files = 0;
  while (std::getline(manifest, line)) {
    std::istringstream fields(line);
    std::string name, bytes, pillow, expected;
    for (std::string* field : {&name, &bytes, &pillow, &expected}) std::getline(fields, *field, '\t');
    CAPTURE(name, pillow, expected);
    ++files;
    std::string error;
    try {
      const Image image = read_image(folder / name);
      CHECK(image.pixels.sizes() == at::IntArrayRef{image.height, image.width, 3});
    } catch (const InputError& fault) {
      error = fault.what();
      CHECK(error.starts_with((folder / name).string() + ": "));
      CHECK(error.find('\n') == error.npos);
    }
    CAPTURE(error);
    const bool pillow_fails = pillow.find("error: ") != pillow.npos;
    if (expected == "ok") CHECK(error.empty());
    if (expected == "error" && pillow_fails) CHECK_FALSE(error.empty());
  }
  CHECK(files > 300);
}
