#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/device.h"
#include "vision/preprocess.h"

namespace limn {

/// Decides whether a text fits a picture by reading both together: dearer than an Embedder's cosine, and more exact.
/// A picture is encoded once; then any number of texts is read against its tokens.
struct Matcher {
  Preprocess preprocess;
  std::function<Tensor(const Tensor& pixels)> encode;  ///< normalised [P 3 H W] -> what is kept of pictures [P S C]
  /// Every text against every picture: what is kept of pictures [P S C], T texts -> logits [P T 2] of "does not fit",
  /// "fits".
  std::function<Tensor(const Tensor& tokens, const std::vector<std::string>& texts)> logits;
  /// What the text tower reads of a text.
  std::function<std::vector<std::int64_t>(const std::string& text)> ids;
  /// Picture tokens -> what the model's Embedder makes of the picture [P E], without a second run; null where the
  /// model has no Embedder.
  std::function<Tensor(const Tensor& tokens)> embedding = nullptr;
  Placement placement = {};

  /// @param pictures  uint8 [P 3 H W], preprocessed to the model's size. @return picture tokens [P S C]
  Tensor tokens(const Tensor& pictures) const;
  /// Probability that a text fits: [P S C], T texts -> float32 [P T] on the CPU.
  Tensor operator()(const Tensor& tokens, const std::vector<std::string>& texts) const;
};

}  // namespace limn
