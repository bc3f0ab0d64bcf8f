#pragma once

#include <sstream>

#include "apps/stylize.h"
#include "tests/temporary.h"

namespace limn {

/// What a test of `limn stylize` has: a folder for its files, and the command, whose model is to be written into it.
struct StylizeWorld {
  TemporaryFolder folder;
  StylizeCommand command;
  std::ostringstream out, notes;

  StylizeWorld() {
    command.common.model = (folder / "model").string();
    command.out = folder / "out.png";
  }
  int run() { return stylize_command(command, out, notes); }
};

}  // namespace limn
