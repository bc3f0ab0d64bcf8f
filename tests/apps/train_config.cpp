#include "apps/train/config.h"

#include "core/files.h"
#include "tests/catch.h"
#include "tests/temporary.h"

using namespace limn;

TEST_CASE("train configuration: every fault is named with file and line", "[train]") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder / "run.toml";
  const auto says = [&](const std::string& text, const std::string& message) {
    write_file(file, text);
    CHECK_THROWS_WITH(read_train_config(file), file.string() + ": " + message);
  };
  const std::string good = "[data]\ntrain = \".\" # été\n[model]\ntokenizer = '.'\nstem_weights = \"\"\"\n.\"\"\"\n";
  says(good + "[train]\nout = \"é\\\"\"\nsteps = 3\n", "[train] batch: is missing");
  says(good + "[train]\nout = \"é\"\nsteps = 3\nbatch = 2\nbutch = 2\n", "[train] butch: unknown key (line 11)");
  says(good + "étape = 3\n",
       "line 7: Error while parsing root table: expected keys, tables, whitespace or comments, saw 'é'");
  says("[data]\ntrain = 3\n", "[data] train: expected a path in quotes");
  says("[data]\ntrain = \".\"\n[model]\nheads = 3\n", "[model] heads: do not divide dim");
  says("[data]\ntrain = \"nowhere\"\n", "[data] train: " + (folder / "nowhere").string() + " does not exist");
  write_file(file, "[{\"a\": 1}]");
  CHECK_THROWS_AS(read_train_config(file), InputError);
  write_file(file, good + "[train]\nout = \"é\"\nsteps = 3\nbatch = 2\n");
  CHECK(read_train_config(file).out == folder / "é");
  says(good + "[train]\nobjective = \"sing\"\n",
       "[train] objective: got \"sing\", expected caption, stylize or stylize-text");
  const std::string paint = "[data]\ncontents = [\".\"]\nstyles = [\".\"]\n[model]\nloss_network = \".\"\n[train]\n";
  says(paint + "objective = \"stylize\"\ncaptions = 3\n", "[train] out: is missing");
  says("[data]\nstyles = [\".\"]\n[train]\nobjective = \"stylize\"\n", "[data] contents: is missing");
  says(paint + "objective = \"stylize\"\nside = 100\n", "[train] side: and validation_side: expected multiples of 8");
  says(paint + "objective = \"stylize\"\nout = \"o\"\nsteps = 3\nbatch = 2\ncaptions = 3\n",
       "[train] captions: unknown key (line 11)");
}
