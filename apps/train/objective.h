#pragma once

#include <random>

#include "fusion/house.h"

namespace limn {

/// Mean negative log-likelihood per token (label smoothing: Szegedy et al. 2016).
/// @param tokens  [B N D], a picture per row of `captions`, whose last tokens are targets
Tensor caption_loss(const HouseModel& model, const Tensor& tokens, const PackedTexts& captions, double smoothing = 0.0,
                    double dropout = 0.0);

struct PairLosses {
  Tensor contrast;  ///< InfoNCE in both directions, every caption of a picture a positive of it
  Tensor match;     ///< cross-entropy of "fits"; undefined where it is not asked for
};

/// What the heads learn from another dual encoder: which of some texts it finds likely of a picture, and in which of
/// some pictures it finds a text (Kullback-Leibler divergence of the softmax over texts and of that over pictures).
/// @param pictures  [B E], @param texts  [K E], both of length one. @param seen  [B F], @param told  [K F]: what the
/// teacher makes of them
Tensor teacher_loss(const HouseHeads& heads, const Tensor& pictures, const Tensor& texts, const Tensor& seen,
                    const Tensor& told);

/// What the heads learn from a batch of pictures with their captions: which belong together.
/// Matching sees each picture's own captions and as many of other pictures in the same language, drawn the more often
/// the more similar they are to the picture (hard negatives: ALBEF, https://arxiv.org/abs/2107.07651).
/// @param tokens    [B N D]
/// @param pictures  [B E]: what the heads make of them, of length one
/// @param captions  a row per picture
PairLosses pair_losses(const HouseModel& model, const Tensor& tokens, const Tensor& pictures, const TextRows& captions,
                       bool match, double dropout, std::mt19937_64& random);

}  // namespace limn
