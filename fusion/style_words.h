#pragma once

#include "core/json.h"
#include "core/layers.h"
#include "fusion/embedder.h"
#include "fusion/stylizer.h"

namespace limn {

/// A stylizer's part for styles in words.
struct StyleWordsConfig {
  std::string encoder;     ///< the dual encoder that reads the words, as models are named; empty: there is no such part
  std::int64_t width = 0;  ///< E, of its embeddings
  std::int64_t hidden = 0;  ///< of the layers here
};

/// What is to be read of a style, from a text's embedding: three layers, learnt on pictures whose words are known.
struct StyleWords {
  Tensor known;               // [E]: what the encoder says of kKnownText, by which it is known again
  Tensor mean, apart;         // [E], [E E]: bring embeddings to mean 0 and equal variance in every direction: what
                              // tells colours apart is little beside what tells dogs from beaches
  Tensor centre, deviations;  // [512]: of logged_signals
  Linear in, between, out;    // [E H], [H H], [H 512]
  StyleWords(const Weights& w, const StyleWordsConfig& c);
  /// @param embeddings  [B E], of length one. @param noise  in training, in their deviations
  /// @return [B 8 64] as StyleTokens::signals
  Tensor operator()(const Tensor& embeddings, double noise = 0) const;
  /// How far signals lie from the mean of all, in their deviations: what the layers are to answer. [B 8 64] -> [B 512]
  Tensor answer(const Tensor& signals) const;
  /// Sets what is not learnt by steps from what is learnt from: embeddings [n E] and their pictures' signals [n 8 64].
  void set_scales(const Tensor& embeddings, const Tensor& signals) const;
};

/// Signals as they are averaged: of features' deviations, which are above zero, the logarithms. [B 8 64] -> [B 512]
Tensor logged_signals(const Tensor& signals);

/// The text whose embedding tells one dual encoder from another.
inline constexpr const char* kKnownText = "a painting in blue and yellow";
/// Whether an encoder is the one that words were learnt with. @param known  StyleWords::known. @param answer  float
/// [E], of length one, what the encoder says of kKnownText
bool is_known_answer(const Tensor& known, const Tensor& answer);

/// What the model needs of a style that is told in words.
/// @param encoder  the model that stylizer.words names
/// @throws InputError for no words, CheckpointError where the encoder is not the one that the stylizer learnt with
std::vector<Tensor> read_style(const Stylizer& stylizer, const Embedder& encoder, const std::string& words);

}  // namespace limn
