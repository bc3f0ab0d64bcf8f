#pragma once

#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "apps/server.h"

namespace limn {

/// What a model says of a picture, in each of its languages ("en" where it has no names for them), by its own search.
std::vector<std::pair<std::string, std::string>> captions_of(const Captioner& captioner, const Image& image);

/// Serves until Ctrl-C. @return an ExitCode
int serve_index(const ServeOptions& options, std::ostream& out, std::ostream& notes);

}  // namespace limn
