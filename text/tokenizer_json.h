#pragma once

#include "text/pipeline.h"

namespace limn {

/// A tokenizer.json of the tokenizers library: it decides alone. Truncation and padding in it are its author's habit
/// and are not applied.
/// @throws CheckpointError naming the file, the key, and what is unknown, missing or contradictory
std::shared_ptr<Pipeline> read_tokenizer_json(const std::filesystem::path& file);

}  // namespace limn
