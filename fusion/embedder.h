#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/device.h"
#include "text/tokenizer.h"
#include "vision/preprocess.h"

namespace limn {

/// What turns a picture's similarities to several texts into probabilities.
enum class Probability {
  softmax,  ///< over the texts: they compete (CLIP)
  sigmoid   ///< of each by itself (SigLIP)
};

/// Pictures and texts as points of one space: what belongs together lies close.
struct Embedder {
  Preprocess preprocess;
  /// Normalised [B 3 H W] -> [B E], not of length one. Null where the model reads texts only.
  std::function<Tensor(const Tensor& pixels)> image = nullptr;
  /// Any number of texts -> [B E], not of length one; batches and padding are inside. Null where it reads pictures
  /// only.
  std::function<Tensor(const std::vector<std::string>& texts)> text = nullptr;
  /// What the text tower reads of a text: special tokens, cut and padding as the family has them.
  std::function<std::vector<std::int64_t>(const std::string& text)> ids = nullptr;
  /// The text tower behind `ids`: `text` of texts that are ids already.
  std::function<Tensor(const std::vector<std::vector<std::int64_t>>& rows)> text_of_ids = nullptr;
  std::optional<Tokenizer> tokenizer = std::nullopt;
  std::int64_t longest = 0;  ///< ids that the text tower reads at most
  std::int64_t width = 0;    ///< E
  double scale = 1;          ///< similarity = scale x cosine + bias; the exponential of a stored logarithm
  double bias = 0;
  Probability probability = Probability::softmax;
  /// Similarities are divided by it ahead of the softmax, where the family's similarity is the plain cosine.
  double temperature = 1;
  Placement placement = {};

  /// @param pictures  uint8 [B 3 H W], preprocessed to the model's size
  /// @return float32 [B E] on the CPU, each of length one
  /// @throws InputError where the model reads texts only
  Tensor pictures(const Tensor& pictures) const;
  /// The same for texts, [T E]. @throws InputError where the model reads pictures only
  Tensor texts(const std::vector<std::string>& texts) const;
};

/// Rows of length one, in float32; a row of zeros stays. [B E] -> [B E]
Tensor normalised(const Tensor& embedding);

/// How well pictures and texts fit, as the family defines it: scale x cosine + bias.
/// @param images  [I E], @param texts [T E]; of any length
/// @return float32 [I T]
Tensor similarity(const Embedder& embedder, const Tensor& images, const Tensor& texts);

/// The family's probabilities. [I T] similarities -> [I T]: rows sum to one with softmax, entries stand alone with
/// sigmoid.
Tensor probabilities(const Embedder& embedder, const Tensor& similarities);

/// The end of a text that is too long for the text tower; "" where all of it is read.
std::string left_out(const Embedder& embedder, const std::string& text);

}  // namespace limn
