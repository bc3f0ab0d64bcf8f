#pragma once

#include "fusion/model.h"
#include "tests/goldens/runner.h"

// What cases with a model have in common.
namespace limn::golden {

/// The folder's model, opened once. @throws NotRun where no family opens it
Model& opened(GoldenCase& current);

/// @throws NotRun where the model lacks it
template <typename Capability>
Capability& needed(std::optional<Capability>& capability, const char* what) {
  if (!capability) throw NotRun(std::string("the family has no ") + what + " yet");
  return *capability;
}

/// The case's `image`, or `images`, preprocessed: uint8 [B 3 H W].
Tensor pictures(const Preprocess& preprocess, GoldenCase& current);

/// `options` by the reference's names. @throws NotRun for names that are not known
GenerateOptions generate_options(const Json& options);

/// Compares generated sequences with `ids`, `text` and `sequence_scores`.
void compare_sequences(GoldenCase& current, const std::vector<std::vector<Caption>>& answers);

}  // namespace limn::golden
